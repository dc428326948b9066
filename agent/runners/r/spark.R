# Ties R's kernel to the run's Spark session: a client of Spark's own backend for R (agent/runners/spark/src/Peer.scala opens it, RPeer.scala is what is called there),
# and the functions that an action finds. Said to the kernel in an environment of its own, before the first statement; kernel_attach.c appends the call of amaterasu_attach.

# ---- the wire: SerDe.scala of Spark has the format

wire <- new.env(parent = emptyenv())    # con, pid, busy; place and begun of the statement; garbage: objects that nobody here knows any more; given: what the session said

lost <- function() stop(structure(class = c("SessionError", "error", "condition"), list(message = "the Spark session has ended", call = NULL)))

to_text <- function(x) {
    bytes <- charToRaw(enc2utf8(x))
    c(integers(length(bytes) + 1L), bytes, as.raw(0))
}

jvm_class <- function(x) inherits(x, c("jobj", "SparkDataFrame"))

# A value with its type. One that is missing is null; to have a vector of one value as an array, wrap it in a list.
to_item <- function(x) {
    tag <- function(letter, ...) c(charToRaw(letter), ...)
    if (jvm_class(x))
        tag("j", to_text(.subset2(x, "id")))
    else if (is.null(x) || (is.atomic(x) && length(x) == 1L && is.na(x)))
        tag("n")
    else if (is.list(x))
        tag("l", integers(length(x)), unlist(lapply(x, to_item)))
    else if (is.raw(x))
        tag("r", integers(length(x)), x)
    else if (inherits(x, "Date") && length(x) == 1L)
        tag("D", to_text(format(x, "%Y-%m-%d")))
    else if (inherits(x, "POSIXt") && length(x) == 1L)
        tag("t", doubles(as.POSIXct(x)))
    else {
        if (is.object(x) && !is.factor(x))
            stop("values of class ", class(x)[[1L]], " can not be passed to Spark", call. = FALSE)
        x <- if (is.factor(x)) as.character(x) else x
        letter <- switch(typeof(x), logical = "b", integer = "i", double = "d", character = "c",
            stop("values of type ", typeof(x), " can not be passed to Spark", call. = FALSE))
        values <- switch(letter, b = , i = integers(x), d = doubles(x), c = unlist(lapply(x, to_text)))
        if (length(x) == 1L) tag(letter, values) else tag("a", charToRaw(letter), integers(length(x)), values)
    }
}

receive <- function(what, n = 1L) {
    got <- readBin(wire$con, what, n, endian = "big")
    if (length(got) != n)
        lost()
    got
}

from_text <- function() {
    text <- rawToChar(receive("raw", receive("integer")))
    Encoding(text) <- "UTF-8"
    text
}

from_item <- function(letter = rawToChar(receive("raw"))) {
    many <- function(of) lapply(seq_len(receive("integer")), function(i) of())
    switch(letter,
        n = NULL,
        i = receive("integer"),
        d = receive("double"),
        b = as.logical(receive("integer")),
        c = from_text(),
        r = receive("raw", receive("integer")),
        D = as.Date(from_text()),
        t = .POSIXct(receive("double")),
        j = new_object(from_text()),
        a = {
            of <- rawToChar(receive("raw"))
            items <- many(function() from_item(of))
            if (of %in% c("i", "d", "b", "c")) (if (length(items)) unlist(items) else character()) else items
        },
        l = many(from_item),
        e = {
            values <- list()
            for (i in seq_len(receive("integer"))) {
                key <- from_text()
                values[key] <- list(from_item())
            }
            values
        },
        stop("the Spark session answered with what is not known here", call. = FALSE))
}

# The object in the JVM lives as long as one of these.
collected <- function(object) wire$garbage <- c(wire$garbage, .subset2(object, "id"))
new_object <- function(id, class = "jobj") {
    object <- new.env(parent = emptyenv())
    object$id <- id
    reg.finalizer(object, collected)
    class(object) <- unique(c(class, "jobj"))
    object
}

# "org.apache.spark.sql.AnalysisException: text", and the stack of the JVM
java_error <- function(text, what) {
    first <- sub("\n\tat .*", "", text)
    parts <- regmatches(first, regexec("(?s)^(?:[\\w$]+\\.)*([\\w$]+)(?:: (.*))?$", first, perl = TRUE))[[1L]]
    name <- if (length(parts)) parts[[2L]] else "JavaError"
    message <- if (!nzchar(text)) paste0("there is no ", what, " for these arguments")
        else if (length(parts) && nzchar(parts[[3L]])) parts[[3L]]
        else first
    message <- sub("(?s)(\n== SQL|;\n'|; line [0-9]+ pos [0-9]+).*$", "", message, perl = TRUE)
    stop(structure(class = unique(c(name, "JavaError", "error", "condition")), list(message = trimws(message), call = NULL)))
}

connect <- function() {
    old <- wire$con
    wire$con <- NULL
    if (!is.null(old) && identical(wire$pid, Sys.getpid()))
        try(close(old), silent = TRUE)
    con <- tryCatch(suppressWarnings(socketConnection("127.0.0.1", wire$given$port, blocking = TRUE, open = "r+b", timeout = 60L)), error = function(e) lost())
    writeBin(to_text(wire$given$token), con)
    wire$con <- con
    if (!identical(from_text(), "ok"))
        lost()
    socketTimeout(con, 2592000L)        # a job may take long, and says nothing meanwhile
    wire$pid <- Sys.getpid()
    wire$begun <- FALSE                 # another thread of the JVM, which has no job group
    wire$busy <- FALSE
}

# An interrupt in here leaves an answer on its way, which the next call would take for its own: a connection that is still busy is thrown away. Objects belong to the backend.
exchange <- function(static, object, method, arguments) {
    body <- c(integers(static), to_text(object), to_text(method), integers(length(arguments)), unlist(lapply(arguments, to_item)))
    wire$busy <- TRUE
    writeBin(c(integers(length(body)), body), wire$con)
    while ((status <- receive("integer")) == 1L) NULL
    answer <- if (status == 0L) from_item() else from_text()
    wire$busy <- FALSE
    if (status != 0L)
        java_error(answer, if (static) paste0(object, ".", method) else method)
    answer
}

# In a fork, too, which has a connection of its own and lets its parent's objects be.
invoke <- function(static, object, method, arguments) {
    if (is.null(wire$con) || wire$busy || !identical(wire$pid, Sys.getpid()))
        connect()
    if (!wire$begun || length(wire$garbage) > 1000L) {
        garbage <- if (identical(wire$pid, wire$home)) wire$garbage
        wire$garbage <- character()
        wire$begun <- TRUE
        exchange(FALSE, wire$peer, "begin", list(wire$place, as.list(garbage)))
    }
    exchange(static, object, method, arguments)
}

peer <- function(method, ...) invoke(FALSE, wire$peer, method, list(...))
call_object <- function(object, method, ...) {
    if (!jvm_class(object))
        stop("this is no object of the Spark session", call. = FALSE)
    invoke(FALSE, .subset2(object, "id"), method, list(...))
}
as_frame <- function(object) {
    class(object) <- c("SparkDataFrame", "jobj")
    object
}
# What came may be a data frame; only the session knows.
as_found <- function(value) {
    if (!inherits(value, "jobj"))
        return(value)
    kind <- peer("kind", value)
    if (identical(kind, "DataFrame")) as_frame(value) else `attr<-`(value, "kind", kind)
}
frame <- function(data) {
    if (!inherits(data, "SparkDataFrame"))
        stop("this is no data frame of Spark: createDataFrame makes one", call. = FALSE)
    data
}
as_local <- function(answer) decode_columns(as.character(unlist(answer[[1L]])), answer[[2L]], answer[[3L]])
words <- function(...) {
    given <- list(...)
    list(names = as.list(names(given)), values = lapply(given, function(v) if (is.logical(v)) tolower(as.character(v)) else as.character(v)))
}

# ---- what an action finds

sql <- function(query) as_frame(peer("sql", paste(query, collapse = "\n")))

tableToDF <- function(tableName) as_frame(peer("table", tableName))

getDataFrame <- function(action, name, format = "parquet") as_frame(peer("getDataFrame", action, name, format))

createDataFrame <- function(data, schema = NULL) {
    data <- as.data.frame(data, stringsAsFactors = FALSE)
    if (!length(data))
        stop("a data frame without columns can not be one in Spark", call. = FALSE)
    bytes <- encode_columns(data)
    if (length(bytes) >= 2^30)
        stop("a data frame of more than 1024 MiB is too large to be passed to Spark: let Spark read it from a file", call. = FALSE)
    as_frame(peer("create", as.list(names(data)), nrow(data), bytes, if (is.null(schema)) "" else schema))
}

read.df <- function(path = "", source = "", ...) {
    options <- words(...)
    as_frame(peer("read", path, source, options$names, options$values))
}

write.df <- function(df, path = "", source = "", mode = "error", ...) {
    options <- words(...)
    invisible(peer("write", frame(df), path, source, mode, options$names, options$values))
}

collect <- function(x) as_local(peer("collect", frame(x)))
count <- function(x) call_object(frame(x), "count")
columns <- function(x) as.character(unlist(peer("names", frame(x))))
dtypes <- function(x) Map(c, columns(x), as.character(unlist(peer("types", frame(x)))), USE.NAMES = FALSE)
printSchema <- function(x) cat(peer("schema", frame(x)))
showDF <- function(x, numRows = 20L, truncate = 80L) cat(peer("table", frame(x), as.integer(numRows), as.integer(truncate)))
selectExpr <- function(x, ...) as_frame(peer("select", frame(x), as.list(c(...))))
where <- function(x, condition) as_frame(call_object(frame(x), "where", condition))
cache <- function(x) {
    call_object(frame(x), "cache")
    x
}
unpersist <- function(x) {
    call_object(frame(x), "unpersist")
    x
}
createOrReplaceTempView <- function(x, viewName) invisible(call_object(frame(x), "createOrReplaceTempView", viewName))
createTempView <- function(x, viewName) invisible(call_object(frame(x), "createTempView", viewName))
dropTempView <- function(viewName) invisible(call_object(call_object(spark, "catalog"), "dropTempView", viewName))

# All the rest of Spark, as in SparkR.
sparkR.callJMethod <- function(x, methodName, ...) as_found(call_object(x, methodName, ...))
sparkR.callJStatic <- function(className, methodName, ...) as_found(invoke(TRUE, className, methodName, list(...)))
sparkR.newJObject <- function(className, ...) as_found(invoke(TRUE, className, "<init>", list(...)))

getDataset <- function(name) as_frame(peer("getDataset", name))
persist <- function(name, data, overwrite = NULL)
    invisible(if (is.null(overwrite)) peer("persist", name, frame(data)) else peer("persist", name, frame(data), isTRUE(overwrite)))
datasetConfiguration <- function(name) jsonlite::fromJSON(peer("datasetConfiguration", name))

no_column <- function(x, ...) stop("columns of a data frame in Spark are not values of R: use selectExpr(df, \"x * 2 as y\"), or as.data.frame(df)", call. = FALSE)

methods <- function() {
    own <- function(generic, class, method, where = baseenv()) registerS3method(generic, class, method, envir = where)
    own("print", "SparkDataFrame", function(x, ...) {
        cat(peer("describe", x), "\n", sep = "")
        invisible(x)
    })
    own("print", "jobj", function(x, ...) {
        cat("<", if (is.null(attr(x, "kind"))) "an object of the Spark session" else attr(x, "kind"), ">\n", sep = "")
        invisible(x)
    })
    own("as.data.frame", "SparkDataFrame", function(x, row.names = NULL, optional = FALSE, ...) {
        data <- collect(x)
        if (!is.null(row.names))
            row.names(data) <- row.names
        data
    })
    own("head", "SparkDataFrame", function(x, n = 6L, ...) as_local(peer("head", x, as.integer(n))), asNamespace("utils"))
    own("dim", "SparkDataFrame", function(x) c(count(x), length(columns(x))))
    own("names", "SparkDataFrame", function(x) columns(x))
    for (generic in c("$", "[[", "["))
        own(generic, "SparkDataFrame", no_column)
}

# ---- for the agent

# Before every statement. The session hears of it with the first call that the statement makes.
begin <- function(place) {
    wire$place <- place
    wire$begun <- FALSE
}

# What the action exports. Where it is; lenient: nothing if it is no data frame.
store <- function(name, format, lenient = FALSE) {
    value <- get0(name, globalenv(), inherits = FALSE)
    if (lenient && !inherits(value, "SparkDataFrame"))
        return(invisible())
    if (!inherits(value, "SparkDataFrame"))
        stop("this action exports ", name, ", which is no Spark data frame here", if (!is.null(value)) paste0(" but a ", class(value)[[1L]]), call. = FALSE)
    peer("store", name, value, format)
}

# What later actions find: the data frames that are values of the action's names.
hand_over <- function() {
    for (name in ls(globalenv()))
        if (!bindingIsActive(as.name(name), globalenv()) && inherits(value <- get(name, globalenv()), "SparkDataFrame"))
            peer("leave", name, value)
    invisible()
}

# file: what the session answered to the agent, with the token that opens the backend. Nobody else is to find it there.
amaterasu_attach <- function(file) {
    wire$given <- jsonlite::fromJSON(file)
    unlink(file)
    wire$garbage <- character()
    wire$busy <- FALSE
    wire$place <- ""
    connect()
    wire$home <- wire$pid
    found <- exchange(TRUE, "org.amaterasu.kernel.Peer", "find", list(wire$given$scope))
    wire$object <- exchange(FALSE, .subset2(found, "id"), "forR", list())
    wire$peer <- .subset2(wire$object, "id")
    peer("attached", wire$home)
    spark <<- `attr<-`(peer("spark"), "kind", "SparkSession")
    methods()
    names <- as.environment("amaterasu")
    context <- list(env = get("env", names), spark = spark, jobId = Sys.getenv("AMA_RUN"), sql = sql, createDataFrame = createDataFrame,
        getDataFrame = getDataFrame, getDataset = getDataset, persist = persist, datasetConfiguration = datasetConfiguration)
    for (name in c("spark", "sql", "tableToDF", "getDataFrame", "createDataFrame", "read.df", "write.df", "collect", "count", "columns", "dtypes", "printSchema", "showDF",
                   "selectExpr", "where", "cache", "unpersist", "createOrReplaceTempView", "createTempView", "dropTempView",
                   "sparkR.callJMethod", "sparkR.callJStatic", "sparkR.newJObject"))
        assign(name, get(name), names)
    assign("AmaContext", context, names)
    assign("amaterasu_begin", begin, names)
    assign("amaterasu_hand_over", hand_over, names)
    assign("amaterasu_store", store, names)
    invisible()
}
spark <- NULL
