#include "stream_body.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "errors.hpp"

namespace mtlspop::command {
namespace {

[[noreturn]] void CannotRead(std::string const& name, std::string const& why) {
  Fail(errors::ReadFailed, name + " cannot be read: " + why, "Check the path and who may read it");
}

}  // namespace

std::shared_ptr<StreamBody> StreamBody::OfFile(std::string const& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) CannotRead("The file " + path, "it is a folder");
  auto file = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!*file) CannotRead("The file " + path, std::strerror(errno));
  return std::shared_ptr<StreamBody>{new StreamBody{std::move(file), "The file " + path}};
}

StreamBody::StreamBody(std::unique_ptr<std::istream> owned, std::string name)
    : owned_(std::move(owned)), stream_(owned_.get()), name_(std::move(name)) {
  auto const end = stream_->seekg(0, std::ios::end).tellg();
  if (end >= 0) length_ = static_cast<std::uint64_t>(end);
  stream_->clear();
  if (length_) stream_->seekg(0);
}

std::size_t StreamBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  context.ThrowIfEnded("Reading the request's body");
  stream_->read(reinterpret_cast<char*>(buffer.data()), static_cast<std::streamsize>(buffer.size()));
  if (stream_->bad()) CannotRead(name_, std::strerror(errno));
  return static_cast<std::size_t>(stream_->gcount());
}

bool StreamBody::TryRewind() {
  if (!length_) return false;
  stream_->clear();
  stream_->seekg(0);
  return stream_->good();
}

}  // namespace mtlspop::command
