# For the build of the DLL by run.sh, whose time counts: headers that most sources include, compiled once for each layer.
function(precompile)
  foreach(layer base transport credential policies)
    target_precompile_headers(
      mtlspop_${layer}
      PRIVATE
      <algorithm>
      <chrono>
      <functional>
      <memory>
      <mutex>
      <optional>
      <string>
      <string_view>
      <utility>
      <variant>
      <vector>
      <gsl/gsl>)
  endforeach()
endfunction()
cmake_language(DEFER CALL precompile)
