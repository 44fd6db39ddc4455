# Everything is built with the sanitizers that MTLSPOP_SANITIZE names, third parties' headers included, and stops at the
# first finding.
if(MTLSPOP_SANITIZE)
  add_compile_options(-fsanitize=${MTLSPOP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MTLSPOP_SANITIZE})
endif()

# For a program that stands for other people's.
function(mtlspop_without_sanitizers target)
  if(MTLSPOP_SANITIZE)
    target_compile_options(${target} PRIVATE -fno-sanitize=all)
    target_link_options(${target} PRIVATE -fno-sanitize=all)
  endif()
endfunction()
