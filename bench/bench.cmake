# SPDX-License-Identifier: BSD-2-Clause
# The benchmarks: see bench/README.md. Paths are from the project's root. Included by
# CMakeLists.txt.

# rmx-bench: the frame, what commands share, and a file for each command (bench/command.def).
add_executable(rmx-bench
    bench/rmx_bench.c
    bench/frame.c
    bench/aim.c
    bench/document.c
    bench/rounds.c
    bench/samples.c
    bench/histogram.c
    bench/core.c
    bench/process.c
    bench/pair.c
    bench/echo.c
    bench/growth_media.c
    bench/ck_rival.c
    bench/ring_items.c
    bench/ring_sleepers.c
    bench/ring_chunks.c
    bench/daemon.c
    bench/chunk_end.c
    bench/cut.c
    bench/herd.c
    bench/live_peer.c
    bench/bench_cancel.c
    bench/bench_chunks.c
    bench/bench_cost.c
    bench/bench_fair.c
    bench/bench_faststart.c
    bench/bench_faults.c
    bench/bench_file.c
    bench/bench_growth.c
    bench/bench_ipc.c
    bench/bench_live.c
    bench/bench_onoff.c
    bench/bench_overload.c
    bench/bench_ring.c
    bench/live_control.c
    bench/live_trial.c
    bench/live_herd.c
    bench/bench_job.c
    bench/job_means.c
    bench/job_cross.c bench/job_load.c
    bench/rivals.c)
target_link_libraries(rmx-bench PRIVATE ringmux_static rmx_engine rmx_flags Threads::Threads m)
target_compile_definitions(rmx-bench PRIVATE
    RMX_BENCH_DAEMON="${CMAKE_BINARY_DIR}/ringmuxd"
    RMX_BENCH_PEERS="${CMAKE_BINARY_DIR}/bench/peers"
    RMX_BENCH_ODD_WORKER="${CMAKE_BINARY_DIR}/tests/odd-worker")
set_target_properties(rmx-bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)

# ck_ring, to compare with: where it is not there, rmx-bench says so in the rows it cannot measure.
pkg_check_modules(CK IMPORTED_TARGET ck)
if(CK_FOUND)
    target_link_libraries(rmx-bench PRIVATE PkgConfig::CK)
else()
    message(STATUS "rmx-bench: no ck_ring to compare with (libck-dev)")
endif()
target_compile_definitions(rmx-bench PRIVATE RMX_BENCH_CK=$<BOOL:${CK_FOUND}>)

# libavformat in process, with the worker's heap: the loop that one would write oneself.
add_executable(rmx-bench-libavformat bench/peers/libavformat.c)
target_link_libraries(rmx-bench-libavformat PRIVATE rmx_flags PkgConfig::AVFORMAT)
if(NOT RMX_SANITIZE)
    target_sources(rmx-bench-libavformat PRIVATE engine/worker/heap.c engine/worker/purse.c)
    target_link_libraries(rmx-bench-libavformat PRIVATE mimalloc)
endif()
set_target_properties(rmx-bench-libavformat PROPERTIES
    OUTPUT_NAME libavformat RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench/peers)

# A Go service that forks ffmpeg. Where there is no Go, rmx-bench says so.
find_program(RMX_GO go)
if(RMX_GO)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/bench/peers/forks
        COMMAND ${CMAKE_COMMAND} -E env GO111MODULE=off CGO_ENABLED=0 GOFLAGS=
            GOCACHE=${CMAKE_BINARY_DIR}/bench/go-cache
            ${RMX_GO} build -o ${CMAKE_BINARY_DIR}/bench/peers/forks
            ${CMAKE_SOURCE_DIR}/bench/peers/forks.go
        DEPENDS ${CMAKE_SOURCE_DIR}/bench/peers/forks.go
        COMMENT "Building the Go service to compare with" VERBATIM)
    add_custom_target(rmx-bench-forks ALL DEPENDS ${CMAKE_BINARY_DIR}/bench/peers/forks)
else()
    message(STATUS "rmx-bench: no Go service to compare with (golang-go)")
endif()

if(RMX_TESTS AND NOT RMX_SANITIZE)
    add_test(NAME test_bench COMMAND ${RMX_PYTHON} ${CMAKE_SOURCE_DIR}/tests/test_bench.py
        ${CMAKE_BINARY_DIR})
    set_tests_properties(test_bench PROPERTIES TIMEOUT 900)
endif()
