#include "service.hpp"

namespace mtlspop_emulator {

Front::Front(Predicate isSpecial, Service& special, Service& ordinary)
    : _isSpecial(std::move(isSpecial)), _special(special), _ordinary(ordinary) {}

}  // namespace mtlspop_emulator
