# SPDX-License-Identifier: BSD-2-Clause
# What ctest runs, and the tools that helps; paths are from the project's root. Included by
# CMakeLists.txt.

# --- tests -----------------------------------------------------------------------------------
pkg_check_modules(CRITERION REQUIRED IMPORTED_TARGET criterion)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(RMX_PYTHON ${Python3_EXECUTABLE} -B) # what Python tests are run with

# rmx_criterion(NAME suite.c LIBS ...): one Criterion program, one ctest entry. Criterion
# itself does not run under ThreadSanitizer: there the program is not built unless asked for.
function(rmx_criterion name source)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE ${ARGN} PkgConfig::CRITERION)
    if(RMX_SANITIZE MATCHES "address")
        target_sources(${name} PRIVATE tests/runner.c)
    endif()
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    if(RMX_SANITIZE STREQUAL "thread")
        set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    else()
        add_test(NAME ${name} COMMAND ${name} --timeout 60)
        # A leak is found when a test's process ends, after Criterion took it for passed.
        set_tests_properties(${name} PROPERTIES FAIL_REGULAR_EXPRESSION "detected memory leaks")
    endif()
endfunction()

# rmx_program(NAME source.c LIBS ...): a plain program that exits 0, one ctest entry
function(rmx_program name source)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE ${ARGN})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

# The libavformat stage in memory.
add_library(rmx_media STATIC tests/media.c tests/media_make.c)
target_link_libraries(rmx_media PUBLIC rmx_remux)
rmx_criterion(test_remux tests/test_remux.c rmx_media)
rmx_criterion(test_traps tests/test_traps.c rmx_media)
if(NOT RMX_SANITIZE) # which bring their own heap
    rmx_program(test_heap tests/test_heap.c rmx_remux mimalloc)
    target_sources(test_heap PRIVATE engine/worker/heap.c)
endif()
rmx_criterion(test_streams tests/test_streams.c rmx_media)
rmx_criterion(test_guard tests/test_guard.c rmx_remux)
rmx_criterion(test_timing tests/test_timing.c rmx_remux)
rmx_criterion(test_several tests/test_several.c rmx_media)
rmx_criterion(test_edits tests/test_edits.c rmx_media)
rmx_criterion(test_subtitle tests/test_subtitle.c rmx_media)
rmx_criterion(test_pace tests/test_pace.c rmx_remux)
rmx_criterion(test_extent tests/test_extent.c rmx_media)
rmx_criterion(test_sps tests/test_sps.c rmx_remux)
rmx_criterion(test_tap tests/test_tap.c rmx_remux)
rmx_criterion(test_sync tests/test_sync.c rmx_remux)
rmx_criterion(test_packing tests/test_packing.c rmx_remux)
target_sources(test_packing PRIVATE tests/packed_ts.c)
rmx_criterion(test_fragments tests/test_fragments.c rmx_remux)
rmx_criterion(test_live tests/test_live.c rmx_media)
target_sources(test_live PRIVATE tests/trickle.c)
rmx_criterion(test_live_times tests/test_live_times.c rmx_media)
target_sources(test_live_times PRIVATE tests/trickle.c)
rmx_criterion(test_renew tests/test_renew.c rmx_media)
target_sources(test_renew PRIVATE tests/trickle.c)
rmx_criterion(test_live_foreword tests/test_live_foreword.c rmx_media)
target_sources(test_live_foreword PRIVATE tests/trickle.c)

# Our demuxer beside libavformat's.
add_library(rmx_twins STATIC tests/twins.c)
target_link_libraries(rmx_twins PUBLIC rmx_media)
rmx_criterion(test_native tests/test_native.c rmx_twins)
add_executable(twins_tool tests/twins_tool.c tests/mutant.c tests/anatomy.c)
target_link_libraries(twins_tool PRIVATE rmx_twins)
set_target_properties(twins_tool PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

# The libavformat stage on plain files: for the conformance runs, not a test by itself.
add_executable(remux_tool tests/remux_tool.c)
target_link_libraries(remux_tool PRIVATE rmx_remux)
set_target_properties(remux_tool PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

# --- tests of the ring ------------------------------------------------------------------------
rmx_criterion(test_region tests/test_region.c rmx_ring)
rmx_criterion(test_ring tests/test_ring.c rmx_ring)
rmx_criterion(test_chunk tests/test_chunk.c rmx_ring)
rmx_criterion(test_mail tests/test_mail.c rmx_ring)
rmx_criterion(test_bell tests/test_bell.c rmx_ring)

# Both ends of a stream: as two processes, and as two threads for ThreadSanitizer.
add_library(rmx_ring_stream STATIC tests/ring_stream.c)
target_link_libraries(rmx_ring_stream PUBLIC rmx_ring)
rmx_criterion(test_ring_processes tests/test_ring_processes.c rmx_ring_stream)
rmx_program(tsan_ring tests/tsan_ring.c rmx_ring_stream Threads::Threads)
rmx_program(tsan_edges tests/tsan_edges.c rmx_ring Threads::Threads)
rmx_program(tsan_desk tests/tsan_desk.c
    rmx_worker rmx_media Threads::Threads -Wl,--wrap=rmx_region_adopt)

# Each builds what it tests by itself, so once is enough; 77 = its tool is not installed.
if(NOT RMX_SANITIZE)
    add_test(NAME mutate_edges COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/mutate_edges.py
        --cc ${CMAKE_C_COMPILER})
    add_test(NAME prove_sleep_wake
        COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/spin/prove.py)
    set_tests_properties(mutate_edges prove_sleep_wake PROPERTIES
        TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()

# --- one client, many threads -----------------------------------------------------------------
add_library(rmx_fake_daemon STATIC tests/fake_daemon.c)
target_link_libraries(rmx_fake_daemon PUBLIC ringmux_static rmx_flags Threads::Threads)
add_library(rmx_fake_worker STATIC tests/fake_worker.c)
target_link_libraries(rmx_fake_worker PUBLIC rmx_fake_daemon)
rmx_program(tsan_client tests/tsan_client.c rmx_fake_worker)
rmx_program(tsan_crowd tests/tsan_crowd.c rmx_fake_daemon)
rmx_program(tsan_move tests/tsan_move.c rmx_fake_daemon)

# ThreadSanitizer is there for the programs above; almost all that follows is Criterion's.
if(RMX_SANITIZE STREQUAL "thread")
    return()
endif()

# --- tests of what processes say --------------------------------------------------------------
rmx_criterion(test_status tests/test_status.c rmx_ipc)
rmx_criterion(test_format tests/test_format.c rmx_ipc)
rmx_criterion(test_file_name tests/test_file_name.c rmx_ipc)
rmx_criterion(test_option tests/test_option.c rmx_ipc PkgConfig::AVFORMAT)
rmx_criterion(test_edit tests/test_edit.c rmx_ipc)
rmx_criterion(test_job tests/test_job.c rmx_ipc)
rmx_criterion(test_job_streams tests/test_job_streams.c rmx_ipc)
rmx_criterion(test_stats tests/test_stats.c rmx_ipc)
rmx_criterion(test_sock tests/test_sock.c rmx_ipc)
rmx_criterion(test_wire tests/test_wire.c rmx_ipc)
target_compile_definitions(test_wire PRIVATE RMX_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
rmx_criterion(test_session tests/test_session.c rmx_ipc)
rmx_criterion(test_session_shape tests/test_session_shape.c rmx_ipc)
rmx_criterion(test_session_groups tests/test_session_groups.c rmx_ipc)
rmx_criterion(test_session_operators tests/test_session_operators.c rmx_ipc)
target_sources(test_job PRIVATE tests/job_words.c)
target_sources(test_job_streams PRIVATE tests/job_words.c)
target_sources(test_session PRIVATE tests/session_words.c)
target_sources(test_session_shape PRIVATE tests/session_words.c)
target_sources(test_session_groups PRIVATE tests/session_words.c)
target_sources(test_session_operators PRIVATE tests/session_words.c)

# --- tests of the engine's base ---------------------------------------------------------------
rmx_criterion(test_quantity tests/test_quantity.c rmx_ipc)
rmx_criterion(test_config tests/test_config.c rmx_engine_base)
target_compile_definitions(test_config PRIVATE RMX_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
rmx_criterion(test_reload tests/test_reload.c rmx_engine_base)
rmx_criterion(test_identity tests/test_identity.c rmx_engine_base)
rmx_criterion(test_log tests/test_log.c rmx_engine_base)
rmx_criterion(test_hush tests/test_hush.c rmx_engine_base)
rmx_criterion(test_quota tests/test_quota.c rmx_engine_base)
rmx_criterion(test_topology tests/test_topology.c rmx_engine_base)
rmx_criterion(test_plan tests/test_plan.c rmx_engine_base)

add_executable(log_lines tests/log_lines.c)
target_link_libraries(log_lines PRIVATE rmx_engine_base)
add_test(NAME test_log_json COMMAND ${Python3_EXECUTABLE} -B
    ${CMAKE_SOURCE_DIR}/tests/test_log_json.py $<TARGET_FILE:log_lines>)

# --- tests of the worker ----------------------------------------------------------------------
rmx_criterion(test_fiber tests/test_fiber.c rmx_worker)
rmx_criterion(test_avio tests/test_avio.c rmx_worker)
rmx_criterion(test_wakes tests/test_wakes.c rmx_worker)
rmx_criterion(test_turns tests/test_turns.c rmx_worker)
rmx_criterion(test_alarms tests/test_alarms.c rmx_ring)
rmx_criterion(test_chime tests/test_chime.c rmx_worker Threads::Threads)
target_sources(test_chime PRIVATE tests/crowd.c)

# A job's two ends in memory.
add_library(rmx_ends STATIC tests/ends.c)
target_link_libraries(rmx_ends PUBLIC rmx_moving)
rmx_criterion(test_hold tests/test_hold.c rmx_ends)
rmx_criterion(test_index tests/test_index.c rmx_ends)
rmx_criterion(test_copy tests/test_copy.c rmx_ends rmx_media)
rmx_criterion(test_rehearsal tests/test_rehearsal.c rmx_media)
rmx_criterion(test_preview tests/test_preview.c rmx_media)
rmx_criterion(test_parts tests/test_parts.c rmx_ends rmx_media rmx_worker)
rmx_criterion(test_faststart tests/test_faststart.c rmx_ends rmx_media)
rmx_criterion(test_sandbox tests/test_sandbox.c rmx_worker rmx_engine)

# The real zygote and worker, without a daemon.
add_library(rmx_tiny_lane STATIC
    tests/tiny_lane.c tests/tiny_channel.c tests/channel_jobs.c tests/worker_limit.c)
target_link_libraries(rmx_tiny_lane PUBLIC rmx_engine rmx_media PkgConfig::CRITERION)
target_compile_definitions(
    rmx_tiny_lane PRIVATE WORKER_PROGRAM="$<TARGET_FILE:ringmux-worker>")
rmx_criterion(test_desk tests/test_desk.c
    rmx_worker rmx_tiny_lane Threads::Threads -Wl,--wrap=rmx_remux_run)
target_sources(test_desk PRIVATE tests/tiny_desk.c tests/crowd.c)
rmx_criterion(test_desk_turns tests/test_desk_turns.c
    rmx_worker rmx_tiny_lane Threads::Threads -Wl,--wrap=rmx_remux_run)
target_sources(test_desk_turns PRIVATE tests/tiny_desk.c)
rmx_criterion(test_desk_times tests/test_desk_times.c
    rmx_worker rmx_tiny_lane Threads::Threads -Wl,--wrap=rmx_remux_run)
target_sources(test_desk_times PRIVATE tests/tiny_desk.c)
rmx_criterion(test_bell_storm tests/test_bell_storm.c rmx_worker rmx_tiny_lane)
rmx_criterion(test_worker tests/test_worker.c rmx_tiny_lane)
rmx_criterion(test_worker_memory tests/test_worker_memory.c rmx_tiny_lane)
rmx_criterion(test_worker_channel tests/test_worker_channel.c rmx_tiny_lane)
rmx_criterion(test_worker_lies tests/test_worker_lies.c rmx_tiny_lane)
rmx_criterion(test_berth tests/test_berth.c rmx_engine)
rmx_criterion(test_warden tests/test_warden.c rmx_engine)
target_compile_definitions(
    test_warden PRIVATE WORKER_PROGRAM="$<TARGET_FILE:ringmux-worker>")
add_dependencies(test_worker ringmux-worker)
add_dependencies(test_worker_memory ringmux-worker)
add_dependencies(test_worker_channel ringmux-worker)
add_dependencies(test_worker_lies ringmux-worker)
add_dependencies(test_warden ringmux-worker)

# --- tests of the engine ----------------------------------------------------------------------
rmx_criterion(test_loop tests/test_loop.c rmx_engine)
rmx_criterion(test_feed tests/test_feed.c rmx_engine)
rmx_criterion(test_drain tests/test_drain.c rmx_engine)
rmx_criterion(test_drain_pair tests/test_drain_pair.c
    rmx_engine -Wl,--wrap=rmx_loop_writev -Wl,--wrap=rmx_loop_cancel)
rmx_criterion(test_ports tests/test_ports.c rmx_engine)
rmx_criterion(test_spool tests/test_spool.c rmx_engine)
rmx_criterion(test_watchdog tests/test_watchdog.c rmx_engine)
rmx_criterion(test_recycle tests/test_recycle.c rmx_engine)
rmx_criterion(test_grace tests/test_grace.c rmx_engine)
rmx_criterion(test_group tests/test_group.c rmx_engine)
rmx_criterion(test_roster tests/test_roster.c rmx_engine)
rmx_criterion(test_peer tests/test_peer.c rmx_engine)
rmx_criterion(test_portion tests/test_portion.c rmx_engine)
rmx_criterion(test_privilege tests/test_privilege.c rmx_engine)
target_sources(test_privilege PRIVATE engine/privilege.c)
rmx_criterion(test_queue tests/test_queue.c rmx_engine)
rmx_criterion(test_ration tests/test_ration.c rmx_engine)
rmx_criterion(test_handover tests/test_handover.c rmx_engine)
rmx_criterion(test_load tests/test_load.c rmx_engine)
rmx_criterion(test_replay tests/test_replay.c rmx_engine)

# A daemon that writes down which ways its jobs go.
add_executable(edge_daemon EXCLUDE_FROM_ALL
    engine/ringmuxd.c engine/listener.c engine/privilege.c tests/edge_book.c)
target_link_libraries(edge_daemon PRIVATE rmx_engine -Wl,--wrap=rmx_phase_enter)
set_target_properties(edge_daemon PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

# End to end: a real daemon, real workers, media made by ffmpeg.
add_library(rmx_harness STATIC EXCLUDE_FROM_ALL tests/harness.c)
target_link_libraries(rmx_harness PUBLIC ringmux_static rmx_flags PRIVATE PkgConfig::CRITERION)
target_compile_definitions(rmx_harness PUBLIC RMX_BUILD_DIR="${CMAKE_BINARY_DIR}")
rmx_criterion(test_e2e_protocol tests/test_e2e_protocol.c rmx_harness)
rmx_criterion(test_e2e_faults tests/test_e2e_faults.c rmx_harness)
rmx_criterion(test_e2e_recycle tests/test_e2e_recycle.c rmx_harness)
rmx_criterion(test_e2e_spin tests/test_e2e_spin.c rmx_harness)
rmx_criterion(test_e2e_ration tests/test_e2e_ration.c rmx_harness)
rmx_criterion(test_e2e_live tests/test_e2e_live.c rmx_harness)
rmx_criterion(test_e2e_stream tests/test_e2e_stream.c rmx_harness)
rmx_criterion(test_e2e_spool tests/test_e2e_spool.c rmx_harness Threads::Threads)
rmx_criterion(test_e2e_channel tests/test_e2e_channel.c rmx_harness)
rmx_criterion(test_e2e_portion tests/test_e2e_portion.c rmx_harness)
rmx_criterion(test_e2e_prefault tests/test_e2e_prefault.c rmx_harness)
rmx_criterion(test_e2e_shrink tests/test_e2e_shrink.c rmx_harness)
rmx_criterion(test_e2e_group tests/test_e2e_group.c rmx_harness)
rmx_criterion(test_e2e_operator tests/test_e2e_operator.c rmx_harness)
rmx_criterion(test_e2e_peers tests/test_e2e_peers.c rmx_harness)
rmx_criterion(test_e2e_deadline tests/test_e2e_deadline.c rmx_harness)
rmx_criterion(test_e2e_edges tests/test_e2e_edges.c rmx_harness)
rmx_criterion(test_e2e_isolation tests/test_e2e_isolation.c rmx_harness)
if(TARGET test_e2e_channel)
    target_sources(test_e2e_channel PRIVATE tests/raw_client.c)
    target_sources(test_e2e_portion PRIVATE tests/raw_client.c)
    foreach(story group operator peers edges)
        target_sources(test_e2e_${story} PRIVATE tests/raw_client.c tests/raw_talk.c)
    endforeach()
    target_sources(test_e2e_spool PRIVATE tests/spool_case.c)
endif()
rmx_criterion(test_e2e_ports tests/test_e2e_ports.c rmx_harness)
rmx_criterion(test_e2e_leaks tests/test_e2e_leaks.c rmx_harness)
rmx_criterion(test_e2e_daemon tests/test_e2e_daemon.c rmx_harness)
rmx_criterion(test_e2e_descriptors tests/test_e2e_descriptors.c rmx_harness)
add_library(rmx_deploy_case STATIC EXCLUDE_FROM_ALL tests/deploy_case.c)
target_link_libraries(rmx_deploy_case PUBLIC rmx_harness PRIVATE PkgConfig::CRITERION)
foreach(story handover successor deploy draining inherit reload)
    rmx_criterion(test_e2e_${story} tests/test_e2e_${story}.c rmx_deploy_case Threads::Threads)
    add_dependencies(test_e2e_${story} ringmuxd ringmux-worker)
endforeach()
if(TARGET test_e2e_draining)
    target_sources(test_e2e_draining PRIVATE tests/raw_client.c tests/raw_talk.c)
endif()
# With a worker in which one demuxer never comes back, or aborts.
add_executable(stuck-worker engine/worker/ringmux_worker.c tests/stuck_demuxer.c)
target_link_libraries(stuck-worker PRIVATE rmx_worker)
target_link_options(stuck-worker PRIVATE ${RMX_WORKER_LINK_OPTIONS} -Wl,--wrap=av_read_frame)
set_target_properties(stuck-worker PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(story stuck replay kills penalty mix)
    rmx_criterion(test_e2e_${story} tests/test_e2e_${story}.c rmx_harness)
    target_sources(test_e2e_${story} PRIVATE tests/bad_wav.c)
    add_dependencies(test_e2e_${story} ringmuxd ringmux-worker stuck-worker)
endforeach()
add_dependencies(test_e2e_stream ringmuxd ringmux-worker)
foreach(story protocol faults live leaks channel portion spool group deadline operator edges
        isolation prefault)
    add_dependencies(test_e2e_${story} ringmuxd ringmux-worker)
endforeach()
add_dependencies(test_e2e_edges edge_daemon)
if(TEST test_e2e_leaks)
    set_tests_properties(test_e2e_leaks PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
endif()

# Too much to do, and who gets how much of it.
rmx_criterion(test_e2e_overload tests/test_e2e_overload.c rmx_harness)
target_sources(test_e2e_overload PRIVATE tests/raw_client.c)
rmx_criterion(test_e2e_fair tests/test_e2e_fair.c rmx_harness)
add_dependencies(test_e2e_overload ringmuxd ringmux-worker)
add_dependencies(test_e2e_fair ringmuxd ringmux-worker)

# What they count with.
rmx_criterion(test_histogram tests/test_histogram.c rmx_ring)
target_sources(test_histogram PRIVATE bench/histogram.c)

# --- tests of the clients ----------------------------------------------------------------------
rmx_criterion(test_client tests/test_client.c rmx_fake_daemon)
rmx_criterion(test_client_lies tests/test_client_lies.c rmx_fake_daemon)
rmx_criterion(test_client_groups tests/test_client_groups.c rmx_fake_worker)
rmx_criterion(test_client_operator tests/test_client_operator.c rmx_fake_daemon)
rmx_criterion(test_client_reconnect tests/test_client_reconnect.c rmx_fake_daemon)
rmx_criterion(test_client_move tests/test_client_move.c rmx_fake_worker)
rmx_criterion(test_spec tests/test_spec.c rmx_fake_daemon)
rmx_criterion(test_pages tests/test_pages.c rmx_fake_daemon)
rmx_criterion(test_stream tests/test_stream.c rmx_fake_worker)
rmx_criterion(test_stream_lies tests/test_stream_lies.c rmx_fake_worker)
rmx_criterion(test_stream_threads tests/test_stream_threads.c rmx_fake_worker)
rmx_criterion(test_pump tests/test_pump.c rmx_fake_worker)
rmx_criterion(test_directory tests/test_directory.c ringmux_static rmx_flags)
rmx_criterion(test_conduit tests/test_conduit.c rmx_fake_worker)
rmx_criterion(test_conduit_late tests/test_conduit_late.c rmx_fake_worker)
rmx_criterion(test_client_open tests/test_client_open.c rmx_fake_daemon -Wl,--wrap=calloc)

# Through the shared library, so that what it hides is missed here and not by a caller.
rmx_program(test_header_c tests/test_header.c ringmux)
rmx_program(test_header_cpp tests/test_header.cpp ringmux)
foreach(test test_header_c test_header_cpp)
    target_compile_options(${test} PRIVATE -Wall -Wextra -Wpedantic -Werror -Wshadow)
    if(RMX_SANITIZE) # the library's run time comes first in a program too
        target_link_options(${test} PRIVATE -fsanitize=${RMX_SANITIZE})
    endif()
endforeach()
set_target_properties(test_header_c PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
set_target_properties(test_header_cpp PROPERTIES CXX_STANDARD 11 CXX_EXTENSIONS OFF)

rmx_criterion(test_rmx_parts tests/test_rmx_parts.c rmx_fake_daemon -Wl,--wrap=openat)
if(TARGET test_rmx_parts)
    target_sources(test_rmx_parts PRIVATE clients/rmx_args.c clients/rmx_json.c
        clients/rmx_output.c clients/rmx_say.c clients/rmx_text.c)
endif()

if(TARGET ringmuxd AND NOT RMX_SANITIZE STREQUAL "thread")
    add_executable(odd-worker engine/worker/ringmux_worker.c tests/odd_worker.c)
    target_link_libraries(odd-worker PRIVATE rmx_worker)
    target_link_options(odd-worker PRIVATE ${RMX_WORKER_LINK_OPTIONS}
        -Wl,--wrap=rmx_sandbox_enter,--wrap=rmx_selftest_finish,--wrap=rmx_seclusion_enter
        -Wl,--wrap=rmx_seclusion_landlock,--wrap=rmx_bounds_set,--wrap=unshare
        -Wl,--wrap=av_read_frame)
    set_target_properties(odd-worker PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    if(NOT RMX_SANITIZE) # whose reports need what the walls take away
        add_test(NAME test_cage COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/test_cage.py
            ${CMAKE_BINARY_DIR})
        set_tests_properties(test_cage PROPERTIES TIMEOUT 300)
    endif()
    foreach(test test_rmx test_rmx_death test_rmx_stream test_rmx_batch test_rmx_jobs
            test_rmx_edits test_rmx_several test_rmx_segments test_rmx_segments_refused
            test_rmx_split test_rmx_manual test_examples test_placement)
        add_test(NAME ${test} COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/${test}.py
            ${CMAKE_BINARY_DIR})
        set_tests_properties(${test} PROPERTIES TIMEOUT 300)
    endforeach()
    # libhwloc forgets what it had read of a file that breaks off.
    set_tests_properties(test_placement PROPERTIES ENVIRONMENT
        "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/hwloc.supp:print_suppressions=0")
endif()

# The first process of a guest, and so without a library: see tests/guest/run.py.
if(NOT RMX_SANITIZE)
    add_executable(guest_init tests/guest/init.c)
    target_link_libraries(guest_init PRIVATE rmx_flags)
    target_link_options(guest_init PRIVATE -static)
    set_target_properties(guest_init PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endif()

# --- tests of streams: whole files through client rings ----------------------------------------
add_executable(stream_tool tests/stream_tool.c tests/stream_files.c)
target_link_libraries(stream_tool PRIVATE ringmux_static rmx_flags)
add_executable(test_backpressure tests/test_backpressure.c bench/process.c)
target_link_libraries(test_backpressure PRIVATE ringmux_static rmx_flags)
target_compile_definitions(test_backpressure PRIVATE
    RMX_TEST_DAEMON="${CMAKE_BINARY_DIR}/ringmuxd")
foreach(program stream_tool test_backpressure)
    add_dependencies(${program} ringmuxd ringmux-worker)
    set_target_properties(${program} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endforeach()
add_test(NAME test_backpressure COMMAND test_backpressure)
# It watches the worker's memory, and ASan would keep all that was freed.
set_tests_properties(test_backpressure PROPERTIES
    ENVIRONMENT "ASAN_OPTIONS=quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
add_test(NAME test_streams_matrix COMMAND ${RMX_PYTHON}
    ${CMAKE_SOURCE_DIR}/tests/test_streams_matrix.py ${CMAKE_BINARY_DIR})
set_tests_properties(test_backpressure test_streams_matrix PROPERTIES TIMEOUT 600)

# --- a client that does evil to the memory it shares, beside others ----------------------------
if(TARGET ringmuxd)
    add_executable(hostile_client
        tests/hostile_client.c tests/hostile_hand.c tests/hostile_job.c)
    target_link_libraries(hostile_client PRIVATE rmx_ipc Threads::Threads)
    add_executable(honest_client tests/honest_client.c bench/histogram.c)
    target_link_libraries(honest_client PRIVATE ringmux_static rmx_flags)
    foreach(program hostile_client honest_client)
        set_target_properties(${program} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    endforeach()
    add_test(NAME test_hostile_memory COMMAND ${RMX_PYTHON}
        ${CMAKE_SOURCE_DIR}/tests/test_hostile_memory.py ${CMAKE_BINARY_DIR})
    set_tests_properties(test_hostile_memory PROPERTIES TIMEOUT 300)
    if(NOT RMX_SANITIZE) # whose heap counts for no job
        add_test(NAME test_bombs
            COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/test_bombs.py ${CMAKE_BINARY_DIR})
        set_tests_properties(test_bombs PROPERTIES TIMEOUT 300)
    endif()
endif()

include(tests/fuzz.cmake)

# --- races, under a scheduler that is out to get us ---------------------------------------------
add_library(rmx_shim MODULE tests/shim.c)
set_target_properties(rmx_shim PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_compile_definitions(rmx_shim PRIVATE _GNU_SOURCE)
target_link_libraries(rmx_shim PRIVATE ${CMAKE_DL_LIBS})
if(TARGET ringmuxd)
    add_executable(race_driver tests/race_driver.c tests/race_client.c tests/race_job.c
        tests/race_group.c tests/race_daemon.c tests/race_media.c tests/race_clock.c
        tests/race_report.c tests/race_victim.c bench/process.c)
    target_link_libraries(race_driver PRIVATE ringmux_static rmx_flags Threads::Threads)
    target_compile_definitions(race_driver PRIVATE RMX_BUILD_DIR="${CMAKE_BINARY_DIR}"
        RMX_RACE_MEDIA="${CMAKE_SOURCE_DIR}/../shared/media")
    set_target_properties(race_driver PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_dependencies(race_driver ringmuxd ringmux-worker rmx_shim)
    if(NOT RMX_SANITIZE) # whose run-time library wants to be the first
        add_test(NAME test_races COMMAND race_driver 20)
        set_tests_properties(test_races PROPERTIES TIMEOUT 200 RUN_SERIAL ON)
    endif()
endif()

include(tests/faults.cmake)

# --- the house: its rules, tried on themselves ------------------------------------------------
if(NOT RMX_SANITIZE)
    add_test(NAME tidy COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/tidy.py)
    add_test(NAME tidy_objects
        COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/tidy.py --objects ${CMAKE_BINARY_DIR})
    add_test(NAME test_tidy COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/test_tidy.py)
    add_test(NAME test_conformance
        COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/test_conformance.py)
    add_test(NAME install_tree
        COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/test_install.py ${CMAKE_BINARY_DIR})
endif()
