# SPDX-License-Identifier: BSD-2-Clause
# Bytes from strangers: the fuzz targets, and the campaign of wrong media files through a daemon.
# Included by tests/tests.cmake.

option(RMX_FUZZ "build the fuzz targets for libFuzzer, with a clang and RMX_SANITIZE" OFF)
if(RMX_FUZZ)
    target_compile_options(rmx_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# rmx_fuzz(NAME SOURCE TRIES LIBS ...): a fuzz target. Everywhere a test of so many TRIES, the same
# in each run, after the files in tests/corpus/NAME; with RMX_FUZZ libFuzzer too: fuzz_NAME_deep,
# which tests/fuzz.py runs.
function(rmx_fuzz name source tries)
    set(sources ${source} tests/mutant.c tests/anatomy.c)
    add_executable(fuzz_${name} ${sources} tests/fuzz_drive.c)
    target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
    set(corpus ${CMAKE_SOURCE_DIR}/tests/corpus/${name})
    if(NOT EXISTS ${corpus})
        set(corpus)
    endif()
    add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${tries} 1 ${corpus})
    set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT 300)
    set(programs fuzz_${name})
    if(RMX_FUZZ)
        add_executable(fuzz_${name}_deep ${sources} tests/fuzz_deep.c)
        target_link_libraries(fuzz_${name}_deep PRIVATE ${ARGN})
        target_link_options(fuzz_${name}_deep PRIVATE -fsanitize=fuzzer)
        list(APPEND programs fuzz_${name}_deep)
    endif()
    set_target_properties(${programs} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endfunction()

rmx_fuzz(session tests/fuzz_session.c 100000 rmx_ipc)
rmx_fuzz(job tests/fuzz_job.c 100000 rmx_ipc)
rmx_fuzz(ring tests/fuzz_ring.c 20000 rmx_ring Threads::Threads)
rmx_fuzz(config tests/fuzz_config.c 2000 rmx_engine_base)
rmx_fuzz(options tests/fuzz_options.c 5000 rmx_remux)
rmx_fuzz(edits tests/fuzz_edits.c 5000 rmx_remux)
rmx_fuzz(subtitle tests/fuzz_subtitle.c 20000 rmx_remux)
rmx_fuzz(native tests/fuzz_native.c 10000 rmx_twins)
rmx_fuzz(media tests/fuzz_media.c 3000 rmx_media rmx_worker)

rmx_fuzz(client tests/fuzz_client.c 2000 rmx_fake_daemon)
add_library(rmx_batch_line STATIC clients/rmx_task.c clients/rmx_request.c clients/rmx_args.c
    clients/rmx_choice.c clients/rmx_edits.c clients/rmx_manner.c clients/rmx_text.c
    clients/rmx_say.c clients/rmx_report.c clients/rmx_json.c clients/rmx_signal.c)
target_link_libraries(rmx_batch_line PUBLIC ringmux_static rmx_flags PkgConfig::JANSSON)
rmx_fuzz(batch tests/fuzz_batch.c 20000 rmx_batch_line)

# --- hostile files, tens of thousands of them, beside honest jobs -------------------------------
if(TARGET ringmuxd)
    add_executable(campaign_client tests/campaign_client.c tests/campaign_mutant.c
        tests/mutant.c tests/anatomy.c)
    add_executable(campaign_honest tests/campaign_honest.c)
    foreach(program campaign_client campaign_honest)
        target_link_libraries(${program} PRIVATE ringmux_static rmx_flags)
        set_target_properties(${program} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    endforeach()
    set(files 2000)
    set(judged)
    if(RMX_SANITIZE) # which keeps what was freed
        set(files 500)
        set(judged --no-memory)
    endif()
    add_test(NAME test_campaign COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/campaign.py
        ${CMAKE_BINARY_DIR} --files ${files} ${judged})
    set_tests_properties(test_campaign PROPERTIES TIMEOUT 300)

    # The same without honest jobs, whose bytes nobody can vouch for: the workers lie.
    add_executable(liar-worker engine/worker/ringmux_worker.c tests/liar_worker.c)
    target_link_libraries(liar-worker PRIVATE rmx_worker)
    target_link_options(
        liar-worker PRIVATE ${RMX_WORKER_LINK_OPTIONS} -Wl,--wrap=rmx_task_run)
    set_target_properties(liar-worker PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME test_liars COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/campaign.py
        ${CMAKE_BINARY_DIR} --files 500 --liars --no-memory)
    set_tests_properties(test_liars PROPERTIES TIMEOUT 300)
endif()
