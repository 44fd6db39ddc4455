#include "adapters/adapters_bench.hpp"

#include <iostream>

namespace mtlspop::bench {

void BenchAzure(Report&, BenchServer const&, BenchOptions const&) {
  std::cerr << "not measured: the Azure figures; azure-core-cpp was not found when this was configured\n";
}

}  // namespace mtlspop::bench
