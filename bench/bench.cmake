# SPDX-License-Identifier: BSD-2-Clause
# The benchmarks: see bench/README.md. Paths are from the project's root. Included by
# CMakeLists.txt.

# rmx_bench(NAME LIBS ...): a program that prints JSON; no test
function(rmx_bench name)
    add_executable(${name} bench/${name}.c bench/samples.c bench/histogram.c)
    target_link_libraries(${name} PRIVATE ${ARGN} Threads::Threads)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endfunction()

rmx_bench(bench_ring rmx_ring)
target_sources(bench_ring PRIVATE bench/core.c)
rmx_bench(bench_chunks rmx_ring)
target_sources(bench_chunks PRIVATE bench/chunk_end.c bench/core.c)
rmx_bench(bench_live ringmux_static rmx_flags)
target_sources(bench_live PRIVATE bench/live_peer.c bench/cut.c bench/process.c)
rmx_bench(bench_scale ringmux_static rmx_flags)
target_sources(bench_scale PRIVATE bench/herd.c bench/cut.c bench/process.c)
rmx_bench(bench_small_job ringmux_static rmx_flags)
foreach(bench bench_cancel bench_fair bench_faststart bench_overload)
    rmx_bench(${bench} ringmux_static rmx_flags)
    target_sources(${bench} PRIVATE bench/daemon.c bench/process.c)
endforeach()
target_link_libraries(bench_overload PRIVATE m)
foreach(bench bench_small_job bench_live bench_scale bench_cancel bench_fair bench_faststart
        bench_overload)
    target_compile_definitions(${bench} PRIVATE
        RMX_BENCH_DAEMON="${CMAKE_BINARY_DIR}/ringmuxd")
endforeach()
