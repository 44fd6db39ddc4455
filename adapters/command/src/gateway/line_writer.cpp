#include "gateway/line_writer.hpp"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace mtlspop::gateway {
namespace {

constexpr std::chrono::seconds LastWait{1};
constexpr int PollMs = 100;

}  // namespace

LineWriter::LineWriter(int descriptor, std::size_t mostWaiting)
    : descriptor_(descriptor), mostWaiting_(mostWaiting), thread_([this] { Run(); }) {}

LineWriter::~LineWriter() {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    ends_ = true;
    until_ = std::chrono::steady_clock::now() + LastWait;
  }
  changed_.notify_all();
  thread_.join();
}

void LineWriter::Write(std::string_view line) {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    if (waiting_.size() >= mostWaiting_) {
      ++leftOut_;
      return;
    }
    waiting_.emplace_back(std::string{line} += '\n');
  }
  changed_.notify_one();
}

void LineWriter::Run() {
  std::unique_lock<std::mutex> lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    auto text = std::move(waiting_.front());
    waiting_.pop_front();
    if (waiting_.empty() && leftOut_ > 0) {
      text += "{\"lines_left_out\":" + std::to_string(std::exchange(leftOut_, 0)) + "}\n";
    }
    lock.unlock();
    bool const isWritten = WriteNow(text);
    lock.lock();
    if (!isWritten && ends_) return;
  }
}

// A pipe that poll() calls writable has room for this much, so that no write waits.
bool LineWriter::WriteNow(std::string_view text) const {
  while (!text.empty()) {
    pollfd ready{descriptor_, POLLOUT, 0};
    auto const count = ::poll(&ready, 1, PollMs);
    if (count == 0 && !MayGoOn()) return false;
    if (count <= 0) continue;
    auto const written = ::write(descriptor_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    // Nobody will read it any more.
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool LineWriter::MayGoOn() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return !ends_ || std::chrono::steady_clock::now() < until_;
}

}  // namespace mtlspop::gateway
