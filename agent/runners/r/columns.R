# Data frames as the Spark session takes and gives them: column by column (agent/runners/spark/src/RColumns.scala has the format, and is the other side).
# Said to the kernel together with spark.R, in an environment of their own (kernel_attach.c).

integers <- function(x) writeBin(as.integer(x), raw(), endian = "big")
doubles <- function(x) writeBin(as.double(x), raw(), endian = "big")

# ---- from Spark

# bytes: of columns with these names and so many values. A data frame.
decode_columns <- function(names, count, bytes) {
    at <- rawConnection(bytes, "rb")
    on.exit(close(at))
    columns <- lapply(names, function(name) decode_column(at, count, name))
    structure(columns, names = names, class = "data.frame", row.names = .set_row_names(count))
}

decode_column <- function(at, n, name) {
    ints <- function() readBin(at, "integer", n, endian = "big")
    numbers <- function() readBin(at, "double", n, endian = "big")
    switch(rawToChar(readBin(at, "raw", 1L)),
        l = as.logical(ints()),
        i = ints(),
        d = numbers(),
        L = {
            warning("column ", name, ": whole numbers beyond 2^53 are rounded, R has none of that size", call. = FALSE)
            numbers()
        },
        D = structure(numbers(), class = "Date"),
        t = .POSIXct(numbers()),
        T = .POSIXct(numbers(), tz = "UTC"),
        c = decode_texts(at, ints()),
        r = {
            sizes <- ints()
            pieces(readBin(at, "raw", total(sizes)), sizes)
        },
        a = {
            sizes <- ints()
            pieces(decode_column(at, total(sizes), name), sizes)
        },
        m = {
            sizes <- ints()
            keys <- decode_column(at, total(sizes), name)
            Map(function(keys, values) if (!is.null(keys)) stats::setNames(values, as.character(keys)),
                pieces(keys, sizes), pieces(decode_column(at, total(sizes), name), sizes), USE.NAMES = FALSE)
        },
        s = decode_structs(at, n, name),
        stop("column ", name, " is of a kind that is not known here", call. = FALSE))
}

total <- function(sizes) sum(sizes[sizes > 0L])

# One of each size; NULL where that is -1.
pieces <- function(all, sizes) {
    ends <- cumsum(pmax(sizes, 0L))
    lapply(seq_along(sizes), function(i) if (sizes[[i]] >= 0L) all[seq_len(sizes[[i]]) + ends[[i]] - sizes[[i]]])
}

decode_texts <- function(at, sizes) {
    missing <- sizes < 0L
    sizes[missing] <- 0L
    texts <- readChar(at, sizes, useBytes = TRUE)
    Encoding(texts) <- "UTF-8"
    texts[missing] <- NA_character_
    texts
}

decode_structs <- function(at, n, name) {
    there <- readBin(at, "raw", n) != as.raw(0)
    fields <- list()
    for (i in seq_len(readBin(at, "integer", 1L, endian = "big"))) {
        field <- decode_texts(at, readBin(at, "integer", 1L, endian = "big"))
        fields[[field]] <- decode_column(at, n, paste0(name, ".", field))
    }
    lapply(seq_len(n), function(i) if (there[[i]]) lapply(fields, function(column) column[[i]]))
}

# ---- to Spark

encode_columns <- function(data) unlist(Map(encode_column, unclass(data), names(data)), use.names = FALSE)

encode_column <- function(x, name) {
    refuse <- function(...) stop("column ", name, ": ", ..., call. = FALSE)
    letter <- function(word) charToRaw(word)
    if (!is.null(dim(x)))
        refuse("a matrix or a data frame is no column")
    if (inherits(x, "AsIs"))
        class(x) <- setdiff(class(x), "AsIs")
    if (is.factor(x))
        x <- as.character(x)
    if (inherits(x, "POSIXlt"))
        x <- as.POSIXct(x)
    if (inherits(x, "integer64"))
        x <- as.double(x)
    if (inherits(x, "Date"))
        c(letter("D"), doubles(unclass(x)))
    else if (inherits(x, "POSIXct"))
        c(letter("t"), doubles(unclass(x)))
    else if (is.object(x))
        refuse("Spark has no type for values of class ", class(x)[[1L]], ": make numbers or text of them first")
    else if (is.list(x))
        encode_list(x, name, refuse, letter)
    else switch(typeof(x),
        logical = c(letter("l"), integers(x)),
        integer = c(letter("i"), integers(x)),
        double = c(letter("d"), doubles(x)),
        character = {
            x <- enc2utf8(x)
            missing <- is.na(x)
            if (!all(validUTF8(x[!missing])))
                refuse("its text is not UTF-8")
            sizes <- nchar(x, "bytes")
            sizes[missing] <- -1L
            c(letter("c"), integers(sizes), charToRaw(paste(x[!missing], collapse = "")))
        },
        refuse("Spark has no type for values of type ", typeof(x), ": make numbers or text of them first"))
}

# Bytes, named lists of the same names (structs), or vectors of one type (arrays); NULL is what is missing.
encode_list <- function(x, name, refuse, letter) {
    missing <- vapply(x, is.null, NA)
    there <- x[!missing]
    sizes <- lengths(x)
    sizes[missing] <- -1L
    if (length(there) && all(vapply(there, is.raw, NA)))
        return(c(letter("r"), integers(sizes), unlist(there, use.names = FALSE)))
    fields <- if (length(there) && is.list(there[[1L]])) names(there[[1L]])
    if (!is.null(fields)) {
        if (!all(vapply(there, function(one) is.list(one) && identical(names(one), fields), NA)))
            refuse("its lists do not all have the names ", paste(fields, collapse = ", "))
        columns <- lapply(fields, function(field) {
            values <- lapply(x, function(one) one[[field]])
            plain <- all(lengths(values[!missing]) == 1L) && !any(vapply(values, is.list, NA))
            column <- if (plain) one_type(replace(values, missing, list(NA)), refuse) else values
            c(integers(nchar(field, "bytes")), charToRaw(enc2utf8(field)), encode_column(column, paste0(name, "$", field)))
        })
        return(c(letter("s"), as.raw(!missing), integers(length(fields)), unlist(columns)))
    }
    items <- if (length(there)) one_type(there, refuse) else character()
    c(letter("a"), integers(sizes), encode_column(if (is.null(items)) character() else items, name))
}

# All of them in a row; c() would make text of numbers, without a word.
one_type <- function(values, refuse) {
    known <- Filter(function(v) length(v) && !(is.logical(v) && all(is.na(v))), values)
    kinds <- unique(vapply(known, function(v) if (is.object(v)) class(v)[[1L]] else typeof(v), ""))
    if (length(kinds) > 1L && !all(kinds %in% c("integer", "double")))
        refuse("its lists hold values of several types: ", paste(kinds, collapse = ", "))
    if (length(known) && is.object(known[[1L]]))        # c() asks the first one how it is done
        values <- lapply(values, function(v) if (is.object(v)) v else rep(known[[1L]][NA_integer_], length(v)))
    do.call(c, unname(values))
}
