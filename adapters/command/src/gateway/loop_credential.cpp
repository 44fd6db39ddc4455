#include "gateway/loop_credential.hpp"

#include <functional>
#include <optional>
#include <utility>

namespace mtlspop::gateway {

LoopCredential::LoopCredential(std::shared_ptr<TokenCredential> below, Executor loops)
    : CredentialOver(std::move(below)), loops_(std::move(loops)) {}

void LoopCredential::GetTokenAsync(TokenRequest const& request, Context const& context, Completion<AccessToken> done) {
  // Made beforehand: nobody could be told that there was no memory to tell it with.
  struct End {
    Executor Loops;
    Completion<AccessToken> Done;
    std::optional<Outcome<AccessToken>> Came;
    std::function<void()> Task;
  };
  auto const end = std::make_shared<End>(End{loops_, std::move(done), std::nullopt, nullptr});
  // It holds itself until then.
  end->Task = [end] { end->Done(*std::exchange(end->Came, std::nullopt)); };
  try {
    Below().GetTokenAsync(request, context, [end](Outcome<AccessToken> outcome) {
      end->Came.emplace(std::move(outcome));
      end->Loops(std::move(end->Task));
    });
  } catch (...) {
    end->Task = nullptr;
    throw;
  }
}

}  // namespace mtlspop::gateway
