# Tests and fuzz targets. Labels: unit prop fuzz sim e2e crash lint.

# ama_test(NAME LABEL unit SOURCES ... LINK ...): a cmocka program, run by ctest under its label.
function(ama_test name)
    cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
    if(AMA_FUZZ)
        return()
    endif()
    if(NOT ARG_LABEL)
        set(ARG_LABEL unit)
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    add_executable(${name} ${ARG_SOURCES})
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
    target_link_libraries(${name} PRIVATE ${ARG_LINK} ${CMOCKA_LIBRARY})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT}
        ENVIRONMENT "AMA_SOURCE_DIR=${CMAKE_SOURCE_DIR};AMA_BINARY_DIR=${CMAKE_BINARY_DIR};TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")
endfunction()

# ama_fuzz(NAME SOURCES ... LINK ... CORPUS DIR [DIR ...]): SOURCES define LLVMFuzzerTestOneInput. With the fuzz preset a libFuzzer
# program; otherwise a standalone driver replays the corpus folders under the ctest label fuzz.
function(ama_fuzz name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK;CORPUS" ${ARGN})
    if(AMA_FUZZ)
        add_executable(${name} ${ARG_SOURCES})
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        # tests/fuzz/campaign begins with these
        file(WRITE ${CMAKE_BINARY_DIR}/fuzz/${name}.seeds "${ARG_CORPUS}\n")
    else()
        add_executable(${name} ${ARG_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
        add_test(NAME ${name} COMMAND ${name} ${ARG_CORPUS})
        set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
    endif()
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
    target_link_libraries(${name} PRIVATE ${ARG_LINK})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()

# ama_script_test(NAME LABEL e2e COMMAND ...): any program as a test; it gets AMA_SOURCE_DIR, AMA_BINARY_DIR.
function(ama_script_test name)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "SERIAL" "LABEL;TIMEOUT" "COMMAND") # a list of labels stays one argument
    if(AMA_FUZZ)
        return()
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    add_test(NAME ${name} COMMAND ${ARG_COMMAND})
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT}
        ENVIRONMENT "AMA_SOURCE_DIR=${CMAKE_SOURCE_DIR};AMA_BINARY_DIR=${CMAKE_BINARY_DIR}")
    if(ARG_SERIAL)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()
