#include "mtlspop/transport/secret.hpp"

#include <cstring>
#include <ostream>
#include <utility>

#include "mtlspop/base/undumped_memory.hpp"
#include "mtlspop/base/vector_registers.hpp"

namespace mtlspop {

void Cleanse(void* memory, std::size_t size) noexcept {
  // What a volatile pointer points to has to be called.
  static void* (*const volatile overwrite)(void*, int, std::size_t) = std::memset;
  if (size == 0) return;
  overwrite(memory, 0, size);
  // What it was copied through, before a library that binds its functions at their first call (libstdc++) writes the
  // registers to the stack.
  ClearVectorRegisters();
}

void Cleanse(std::string& text) noexcept {
  if (text.capacity() > std::string{}.capacity()) ClearVectorRegisters();
  // A short string lives inside its object and a long one in its own storage: growing to the capacity reaches both
  // without a reallocation.
  text.resize(text.capacity());
  Cleanse(text.data(), text.size());
  text.clear();
}

/// The buffer that copies of a secret share. It has cache lines of its own: the token cache keeps a copy for each group of
/// threads, so that they count owners apart, and two counters in one line would be shared all the same.
class alignas(64) Secret::Held final {
 public:
  explicit Held(std::string_view text) : size_(text.size()), bytes_(static_cast<char*>(AllocateUndumped(size_ + 1))) {
    std::memcpy(bytes_, text.data(), size_);
    bytes_[size_] = '\0';
    ClearVectorRegisters();
  }
  ~Held() {
    Cleanse(bytes_, size_);
    FreeUndumped(bytes_, size_ + 1);
  }
  Held(Held const&) = delete;
  Held& operator=(Held const&) = delete;

  std::string_view Text() const noexcept { return {bytes_, size_}; }

 private:
  std::size_t const size_;
  char* const bytes_;
};

Secret::Secret(std::string&& text) : Secret(std::string_view{text}) { Cleanse(text); }

Secret::Secret(std::string_view text) : held_(text.empty() ? nullptr : std::make_shared<Held const>(text)) {}

std::string_view Secret::Reveal() const noexcept { return held_ ? held_->Text() : std::string_view{""}; }

std::ostream& operator<<(std::ostream& stream, Secret const& secret) {
  return stream << (secret.Empty() ? "" : "[redacted]");
}

}  // namespace mtlspop
