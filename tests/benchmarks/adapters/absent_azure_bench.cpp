#include "adapters/adapters_bench.hpp"

namespace mtlspop::bench {

void BenchAzure(Report&, BenchServer const&, BenchOptions const&) {}

}  // namespace mtlspop::bench
