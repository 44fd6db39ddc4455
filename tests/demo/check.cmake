# cmake -D demo=PROGRAM -P check.cmake: runs the demo and holds its exit code and its last lines against what is promised.
execute_process(COMMAND ${demo} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE error)
string(
  CONCAT expected
         "\ntoken_type: mtls_pop\n"
         "binding: x5t#S256 matches cnf\n"
         "secret: [a-z]+\n"
         "replay_without_certificate: 401 MissingClientCertificate\n"
         "replay_with_other_certificate: 401\n$")
if(NOT code EQUAL 0 OR NOT output MATCHES "${expected}")
  message(FATAL_ERROR "The demo ended with ${code}:\n${output}${error}")
endif()
