# Said to R's kernel before the first statement of an action: what the action finds, and how its file is cut into statements.
# kernel_stock.c appends the call of amaterasu_begin; what that prints is the answer, and nothing else may.

amaterasu_begin <- function(path) {
    options(keep.source = TRUE, jupyter.rich_display = FALSE)

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

    # The kernel's own only asks its client to end it; kernel_stock.c knows these words.
    quit <- function(save = "no", status = 0, runLast = FALSE) stop(paste("amaterasu-exit", as.integer(status)), call. = FALSE)
    attach(list(env = env, quit = quit, q = quit), name = "amaterasu", warn.conflicts = FALSE)

    statements <- function() {
        parsed <- parse(path, keep.source = TRUE, encoding = "UTF-8")
        lapply(attr(parsed, "srcref"), function(at) {
            list(code = paste(as.character(at, useSource = TRUE), collapse = "\n"), line = at[[1L]], end_line = at[[3L]], column = at[[5L]])
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
    answer <- tryCatch(list(status = "ok", statements = statements()), error = refused)
    cat(jsonlite::toJSON(answer, auto_unbox = TRUE))
    rm(amaterasu_begin, envir = globalenv())
}
