# SPDX-License-Identifier: BSD-2-Clause
# One call of the daemon fails, or a process dies. Included by tests.cmake.

add_library(rmx_fault MODULE tests/fault_shim.c tests/fault_point.c tests/fault_uring.c)
set_target_properties(rmx_fault PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_include_directories(rmx_fault PRIVATE ${CMAKE_SOURCE_DIR})
target_compile_definitions(rmx_fault PRIVATE _GNU_SOURCE)
target_compile_options(rmx_fault PRIVATE -Wall -Wextra -fno-omit-frame-pointer -fno-builtin)
target_link_libraries(rmx_fault PRIVATE ${CMAKE_DL_LIBS})
if(TARGET race_driver)
    add_executable(fault_flow tests/fault_flow.c tests/fault_jobs.c)
    add_executable(kill_campaign tests/kill_campaign.c tests/race_client.c
        tests/race_report.c)
    foreach(program fault_flow kill_campaign)
        target_sources(${program} PRIVATE tests/race_job.c tests/race_group.c
            tests/race_daemon.c tests/race_media.c tests/race_clock.c tests/race_victim.c
            bench/process.c)
        target_link_libraries(${program} PRIVATE ringmux_static rmx_flags Threads::Threads)
        target_compile_definitions(${program} PRIVATE RMX_BUILD_DIR="${CMAKE_BINARY_DIR}"
            RMX_RACE_MEDIA="${CMAKE_SOURCE_DIR}/../shared/media")
        set_target_properties(${program} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
        add_dependencies(${program} ringmuxd ringmux-worker rmx_fault)
    endforeach()
    if(NOT RMX_SANITIZE) # whose run-time library wants to be the first
        add_test(NAME test_faults COMMAND ${RMX_PYTHON}
            ${CMAKE_SOURCE_DIR}/tests/fault_campaign.py ${CMAKE_BINARY_DIR} --sample 10)
        add_test(NAME test_kills COMMAND kill_campaign 200 1)
        add_test(NAME test_kills_of_daemons COMMAND kill_campaign --daemon 10 1)
        set_tests_properties(test_faults test_kills test_kills_of_daemons PROPERTIES TIMEOUT 300
            RUN_SERIAL ON)
    endif()
endif()
