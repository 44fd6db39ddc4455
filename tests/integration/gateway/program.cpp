#include "gateway/program.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

std::vector<char*> PointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

ProgramResult RunProgram(
    std::vector<std::string> arguments,
    std::map<std::string, std::string> const& environment,
    std::string const& input) {
  TemporaryDirectory const folder;
  auto const in = folder.Path() + "/in";
  auto const out = folder.Path() + "/out";
  auto const err = folder.Path() + "/err";
  std::ofstream{in, std::ios::binary} << input;
  std::ofstream{out}, std::ofstream{err};

  arguments.insert(arguments.begin(), {"/usr/bin/timeout", "30"});
  std::vector<std::string> variables{"PATH=/usr/bin:/bin"};
  for (auto const& [name, value] : environment) variables.push_back(name + "=" + value);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, out.c_str(), O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, 2, err.c_str(), O_WRONLY, 0);
  pid_t pid = -1;
  auto const problem = ::posix_spawn(
      &pid, arguments.front().c_str(), &files, nullptr, PointersTo(arguments).data(), PointersTo(variables).data());
  posix_spawn_file_actions_destroy(&files);
  if (problem != 0) throw std::runtime_error{"no program was started"};
  int status = 0;
  ::waitpid(pid, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), ReadFile(out), ReadFile(err)};
}

bool IsProgram(std::string const& path) { return ::access(path.c_str(), X_OK) == 0; }

}  // namespace mtlspop::test
