# mtlspop_discover_tests(TARGET PREFIX [NAME VALUE ...])
#
# Finds TARGET's tests when ctest runs, as gtest_discover_tests does, with the properties that follow the prefix. Tests of
# suites whose name begins with Attack get the label attack in addition to the labels of their folder: each stands for a
# promise of SECURITY.md that somebody tries to break. `ctest -L attack` runs them all.
function(mtlspop_discover_tests target prefix)
  set(attacks "Attack*:*/Attack*")
  gtest_discover_tests(${target} TEST_PREFIX ${prefix} TEST_FILTER "-${attacks}" PROPERTIES ${ARGN})
  gtest_discover_tests(
    ${target}
    TEST_PREFIX ${prefix}
    TEST_LIST ${target}_ATTACKS
    TEST_FILTER "${attacks}"
    PROPERTIES ${ARGN} LABELS attack)
endfunction()

# mtlspop_discover_asynchronous_tests(TARGET PREFIX FILTER FILTER [NAME VALUE ...])
#
# The same tests of TARGET once more, those that FILTER names, in a run that makes asynchronous calls in place of blocking
# ones (tests/integration/support/either_way.hpp).
function(mtlspop_discover_asynchronous_tests target prefix)
  cmake_parse_arguments(PARSE_ARGV 2 run "" "FILTER" "")
  gtest_discover_tests(
    ${target}
    TEST_PREFIX ${prefix}
    TEST_LIST ${target}_ASYNCHRONOUS
    TEST_FILTER "${run_FILTER}"
    PROPERTIES ${run_UNPARSED_ARGUMENTS} ENVIRONMENT "MTLSPOP_TEST_ASYNCHRONOUS=1")
endfunction()
