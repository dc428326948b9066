# Said to R's kernel before the first statement of an action: what the action finds, how its file is cut into statements, and where its errors were.
# kernel_prelude.c appends the call of amaterasu_begin; what that prints is the answer, and nothing else may.

amaterasu_begin <- function(repo, file) {
    options(keep.source = TRUE, jupyter.rich_display = FALSE)
    path <- paste0(repo, "/", file)

    # A secret is in no file; the agent has put it into a variable.
    with_secrets <- function(configuration) {
        for (key in names(configuration)) {
            value <- configuration[[key]]
            if (is.character(value) && length(value) == 1L && startsWith(value, "secret://"))
                configuration[[key]] <- Sys.getenv(paste0("AMA_CONF_", gsub("[^A-Z0-9]", "_", toupper(key))))
        }
        configuration
    }
    env <- jsonlite::fromJSON(Sys.getenv("AMA_ENV_JSON"), simplifyDataFrame = FALSE, simplifyMatrix = FALSE)
    env$configuration <- with_secrets(env$configuration)

    # The kernel's own only asks its client to end it; kernel_prelude.c knows these words.
    quit <- function(save = "no", status = 0, runLast = FALSE) stop(paste("amaterasu-exit", as.integer(status)), call. = FALSE)
    attach(list(env = env, quit = quit, q = quit), name = "amaterasu", warn.conflicts = FALSE)

    statements <- function() {
        parsed <- parse(path, keep.source = TRUE, encoding = "UTF-8")
        lapply(attr(parsed, "srcref"), function(at) {
            list(code = paste(as.character(at, useSource = TRUE), collapse = "\n"), line = at[[7L]], end_line = at[[8L]], column = at[[5L]])
        })
    }
    # "PATH:3:5: unexpected symbol", then lines that show the place
    refused <- function(condition) {
        first <- strsplit(conditionMessage(condition), "\n", fixed = TRUE)[[1L]][[1L]]
        place <- regmatches(first, regexec("^.*?:([0-9]+):[0-9]+: (.*)$", first, perl = TRUE))[[1L]]
        if (length(place) == 3L)
            list(status = "error", ename = "SyntaxError", evalue = place[[3L]], line = as.integer(place[[2L]]))
        else
            list(status = "error", ename = "SyntaxError", evalue = first, line = 0L)
    }

    # ---- where an error was

    # Statements come with #line FILE, and what source() reads has its path; of packages nothing is told.
    own_file <- function(srcref) {
        name <- attr(srcref, "srcfile")$filename
        if (identical(name, file)) file
        else if (is.character(name) && startsWith(name, paste0(repo, "/"))) substring(name, nchar(repo) + 2L)
    }
    # R keeps places of what stands in braces only. In a function without any, all is where the function is: then it is told where its body begins.
    line_of <- function(at) {
        code <- as.character(at, useSource = TRUE)
        if (length(code) == 1L || !grepl("^(function|\\\\)\\s*\\(", code[[1L]]))
            return(at[[1L]])
        tokens <- utils::getParseData(parse(text = code, keep.source = TRUE))
        parts <- tokens$line1[tokens$parent == tokens$id[tokens$parent == 0L][[1L]] & tokens$token == "expr"]
        at[[1L]] + parts[[length(parts)]] - 1L
    }
    has_braces <- function(f) is.call(body(f)) && identical(body(f)[[1L]], as.name("{"))
    place <- function(call, caller) {
        at <- attr(call, "srcref")
        if (is.null(at) && caller > 0L && !has_braces(f <- sys.function(caller)))
            at <- attr(f, "srcref")
        if (!is.null(own <- own_file(at)))
            list(file = own, line = line_of(at))
    }
    places <- function() {
        calls <- sys.calls()
        callers <- sys.parents()
        found <- Filter(Negate(is.null), lapply(seq_along(calls), function(i) place(calls[[i]], callers[[i]])))
        utils::head(rev(found[!duplicated(found, fromLast = TRUE)]), 32L)
    }
    # Most of what R itself throws has no name of its own.
    name_of <- function(condition) {
        first <- class(condition)[[1L]]
        if (first %in% c("simpleError", "error", "character", "NULL")) "Error" else first
    }
    trace <- function(condition)
        tryCatch(paste("amaterasu-trace", jsonlite::toJSON(list(name = name_of(condition), frames = places()), auto_unbox = TRUE)), error = function(e) NULL)
    # The kernel describes the stack when an error is thrown, and says that with the error. If it does so in another way one day, errors are where their statement begins.
    try(silent = TRUE, {
        kernels_own <- get("format_stack", asNamespace("IRkernel"))
        told <- function(calls) c(kernels_own(calls), trace(get0("e", parent.frame(), inherits = FALSE)))
        utils::assignInNamespace("format_stack", told, "IRkernel")
    })
    # An endless recursion calls no handlers but those that leave the expression, and there the kernel takes it for a success. So it is thrown again from where there is room.
    try(silent = TRUE, {
        evaluates_own <- get("eval_with_user_handlers", asNamespace("evaluate"))
        careful <- function(expr, envir, enclos, calling_handlers)
            tryCatch(evaluates_own(expr, envir, enclos, calling_handlers), stackOverflowError = function(e) stop(e))
        utils::assignInNamespace("eval_with_user_handlers", careful, "evaluate")
    })

    answer <- tryCatch(list(status = "ok", statements = statements()), error = refused)
    cat(jsonlite::toJSON(answer, auto_unbox = TRUE))
    rm(amaterasu_begin, envir = globalenv())
}
