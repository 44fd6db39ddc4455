#include "gateway/client_body.hpp"

#include <algorithm>
#include <cstring>
#include <future>
#include <mutex>
#include <utility>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::gateway {
namespace {

Error ClientGone() {
  return Error{
      {errors::RequestBodyFailed, "The client of the gateway left before all of its request's body had come",
       "See why it gave up: its own time limit, most often"}};
}

Error NotWanted() {
  return Error{
      {errors::Cancelled, "Nobody wants the rest of the request's body any more",
       "Nothing is to be done: the server has answered, or the client has left"}};
}

}  // namespace

/// Thread safety: all members may be called from any thread.
class ClientBody::Piece final : public std::enable_shared_from_this<Piece> {
 public:
  Piece(Source source, std::optional<std::uint64_t> length)
      : source_(std::move(source)),
        length_(length),
        room_(static_cast<std::size_t>(std::min<std::uint64_t>(length.value_or(HeldBytes), HeldBytes))) {}
  ~Piece() {
    if (bytes_) Cleanse(bytes_.get(), room_);
  }
  Piece(Piece const&) = delete;
  Piece& operator=(Piece const&) = delete;

  /// None where they have to come from the client first.
  std::optional<std::size_t> Give(gsl::span<std::uint8_t> buffer) {
    std::lock_guard<std::mutex> const lock{mutex_};
    return GiveLocked(buffer);
  }

  bool IsHere() const noexcept {
    std::lock_guard<std::mutex> const lock{mutex_};
    return position_ < received_ || IsAllReceived();
  }

  /// `done` is told, and taken, where `Give` would give none; `wait` says then which wait it is.
  std::optional<std::size_t> GiveOrAwait(
      gsl::span<std::uint8_t> buffer, Completion<std::size_t>& done, std::uint64_t& wait) {
    std::lock_guard<std::mutex> const lock{mutex_};
    if (auto const given = GiveLocked(buffer)) return given;
    wait = ++wait_;
    waiting_.Buffer = buffer;
    waiting_.Done = std::move(done);
    // For one that has given up since.
    if (isComing_) return std::nullopt;
    try {
      if (!bytes_) bytes_ = std::make_unique<std::uint8_t[]>(room_);
      auto const used = filled_ == room_ ? 0 : filled_;
      source_({bytes_.get() + used, room_ - used}, [self = shared_from_this(), used](Outcome<std::size_t> outcome) {
        self->OnCame(used, std::move(outcome));
      });
      isComing_ = true;
      return std::nullopt;
    } catch (...) {
      waiting_.Done = nullptr;
      throw;
    }
  }

  /// That wait takes no longer than `context` lets it.
  void EndWith(Context const& context, std::uint64_t wait) noexcept {
    // Gone after the lock: the end of a registration waits for its callback.
    CancellationRegistration registration;
    try {
      registration = context.OnCancelled([weak = weak_from_this(), wait] {
        if (auto const self = weak.lock()) self->GiveUp(wait);
      });
      std::lock_guard<std::mutex> const lock{mutex_};
      if (wait == wait_ && waiting_.Done) std::swap(waiting_.Ends, registration);
    } catch (std::exception const&) {  // NOLINT(bugprone-empty-catch): no memory: he waits until something comes
    }
  }

  bool TryRewind() {
    CancellationRegistration ended;
    std::lock_guard<std::mutex> const lock{mutex_};
    // What is under way goes behind what is here, or over it where there is no room.
    if (begin_ != 0 || (isComing_ && filled_ == room_)) return false;
    if (waiting_.Done) EndWait();
    std::swap(ended, waiting_.Ends);
    position_ = 0;
    return true;
  }

 private:
  struct Waiting {
    gsl::span<std::uint8_t> Buffer;
    Completion<std::size_t> Done;
    CancellationRegistration Ends;
  };

  /// On the thread that cancels, within the callback.
  void GiveUp(std::uint64_t wait) noexcept {
    std::lock_guard<std::mutex> const lock{mutex_};
    if (wait != wait_ || !waiting_.Done) return;
    try {
      EndWait();
    } catch (std::exception const&) {  // NOLINT(bugprone-empty-catch): no memory: he waits until something comes
    }
  }

  /// @throw std::bad_alloc; whoever waits goes on waiting then
  void EndWait() {
    DefaultExecutor()([done = waiting_.Done] { done(std::make_exception_ptr(NotWanted())); });
    waiting_.Done = nullptr;
  }

  bool IsAllReceived() const noexcept { return hasEnded_ || (length_ && received_ == *length_); }

  std::optional<std::size_t> GiveLocked(gsl::span<std::uint8_t> buffer) noexcept {
    if (position_ == received_) return IsAllReceived() ? std::make_optional<std::size_t>(0) : std::nullopt;
    auto const at = static_cast<std::size_t>(position_ - begin_);
    auto const count = std::min(buffer.size(), filled_ - at);
    std::memcpy(buffer.data(), bytes_.get() + at, count);
    position_ += count;
    return count;
  }

  void OnCame(std::size_t used, Outcome<std::size_t> outcome) {
    bool const isLost = !outcome.HasValue();
    auto const count = isLost ? 0 : std::move(outcome).Take();
    Waiting waiting;
    std::optional<std::size_t> given;
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      isComing_ = false;
      hasEnded_ = !isLost && count == 0;
      if (!hasEnded_) {
        // Whatever was there may be written over, also by what was lost.
        if (used == 0) begin_ = received_;
        filled_ = used + count;
        received_ += count;
      }
      std::swap(waiting, waiting_);
      if (waiting.Done && !isLost) given = GiveLocked(waiting.Buffer);
    }
    if (!waiting.Done) return;
    waiting.Done(given ? Outcome<std::size_t>{*given} : Outcome<std::size_t>{std::make_exception_ptr(ClientGone())});
  }

  Source const source_;
  std::optional<std::uint64_t> const length_;
  std::size_t const room_;
  mutable std::mutex mutex_;
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t filled_ = 0;
  /// In the body: of the first byte held here, of the one to be given next, and of the one to come next.
  std::uint64_t begin_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t received_ = 0;
  bool hasEnded_ = false;
  bool isComing_ = false;
  /// Which wait it is.
  std::uint64_t wait_ = 0;
  Waiting waiting_;
};

ClientBody::ClientBody(Source source, std::optional<std::uint64_t> length)
    : piece_(std::make_shared<Piece>(std::move(source), length)), length_(length) {}

ClientBody::~ClientBody() = default;

std::size_t ClientBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  if (auto const given = piece_->Give(buffer)) return *given;
  auto promise = std::make_shared<std::promise<Outcome<std::size_t>>>();
  auto future = promise->get_future();
  // Ends in bounded time: the connection has limits of its own for what it waits for.
  ReadAsync(buffer, context, [promise](Outcome<std::size_t> outcome) { promise->set_value(std::move(outcome)); });
  return future.get().Take();
}

void ClientBody::ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) {
  std::uint64_t wait = 0;
  if (auto const given = piece_->GiveOrAwait(buffer, done, wait)) {
    return DefaultExecutor()([done = std::move(done), count = *given] { done(count); });
  }
  piece_->EndWith(context, wait);
}

bool ClientBody::NeverWaits() const noexcept { return piece_->IsHere(); }

bool ClientBody::TryRewind() { return piece_->TryRewind(); }

}  // namespace mtlspop::gateway
