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
