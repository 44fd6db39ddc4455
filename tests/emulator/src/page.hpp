// The page that shows the road live.
#pragma once

#include "http_message.hpp"

namespace mtlspop_emulator {

// One file without anything from elsewhere, under a policy that lets nothing else run.
Response PageResponse();

}  // namespace mtlspop_emulator
