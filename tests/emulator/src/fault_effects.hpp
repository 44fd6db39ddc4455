// What an armed fault does to an answer.
#pragma once

#include "http_message.hpp"

namespace mtlspop_emulator {

struct Fault;

// Whether the fault answers in the service's place.
bool ReplacesResponse(Fault const& fault);
Response ReplacementFor(Fault const& fault);

// Spoils the service's own answer.
void Spoil(Fault const& fault, Response& response);

}  // namespace mtlspop_emulator
