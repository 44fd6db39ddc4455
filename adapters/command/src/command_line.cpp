#include "command_line.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <exception>
#include <ostream>

#include "hints.hpp"
#include "mtlspop/version.hpp"

namespace mtlspop::command {
namespace {

constexpr char const* About =
    "Calls services with access tokens that are bound to a certificate (RFC 8705), and are of no use to a thief.";

constexpr char const* Footer =
    "The environment variables MTLSPOP_CA_FILE, MTLSPOP_CONNECT_OVERRIDES and MTLSPOP_LOG are heeded, and those of the "
    "proxy.\nmtlspop COMMAND --help says more; docs/command.md has the exit statuses.";

/// CLI11's messages are good; what it says of configuration files talks of INI.
std::string Describe(CLI::ParseError const& error) {
  std::string text = error.what();
  for (char const* phrase : {"INI was not able to parse ", "INI: "}) {
    if (text.compare(0, std::string_view{phrase}.size(), phrase) == 0) {
      return "the configuration file has an entry that is not known or cannot be used: " +
             text.substr(std::string_view{phrase}.size());
    }
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

void Say(Terminal& terminal, std::string const& text) { terminal.Error << "mtlspop: " << text << '\n'; }

class CommandLine final {
 public:
  CommandLine() {
    app_.set_version_flag("--version", std::string{"mtlspop "} + Version);
    app_.footer(Footer);
    app_.require_subcommand(1);
    app_.set_config(
            "-K,--config", "", "Take options from this file: name = \"value\", those of a command under [command]")
        ->type_name("FILE")
        ->configurable(false);
    app_.allow_config_extras(CLI::config_extras_mode::error);
    AddIdentityOptions(app_, shared_.Identity);
    AddConnectionOptions(app_, shared_.Connection);
    Add(AddDoctorCommand(app_));
    Add(AddGetCommand(app_));
    Add(AddRunCommand(app_));
    Add(AddServeCommand(app_));
    Add(AddTokenCommand(app_));
  }

  int Run(std::vector<std::string> arguments, Terminal& terminal) {
    TakeProgram(arguments);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
      app_.parse(std::move(arguments));
    } catch (CLI::Success const& help) {
      return app_.exit(help, terminal.Out, terminal.Error);
    } catch (CLI::ParseError const& error) {
      auto const left = app_.remaining();
      auto const isUnknown = app_.get_subcommands().empty() && !left.empty();
      Say(terminal, isUnknown ? "there is no command or option \"" + left.front() + "\"" : Describe(error));
      Say(terminal, "see mtlspop --help, and mtlspop COMMAND --help");
      return static_cast<int>(ExitCode::Usage);
    }
    auto const chosen = std::find_if(
        subcommands_.begin(), subcommands_.end(), [](Subcommand const& command) { return command.App->parsed(); });
    try {
      return chosen->Run(shared_, terminal);
    } catch (Error const& error) {
      Say(terminal, DescribeWithCauses(error));
      if (auto const hint = HintFor(error); !hint.empty()) Say(terminal, std::string{hint});
      return static_cast<int>(chosen->ExitOf(error));
    }
  }

 private:
  using Argument = std::vector<std::string>::const_iterator;

  /// What stands behind the dashes of `run` is another program's: none of it is to be read here, where "[a,b]" would become
  /// two arguments, and "[]" none.
  void TakeProgram(std::vector<std::string>& arguments) {
    auto const dashes = std::find(arguments.begin(), arguments.end(), "--");
    if (dashes == arguments.end() || dashes + 1 == arguments.end() || CommandIn(arguments.begin(), dashes) != "run")
      return;
    shared_.Program.assign(dashes + 1, arguments.end());
    arguments.erase(dashes + 1, arguments.end());
    arguments.emplace_back("PROGRAM");
  }

  /// The command that these arguments choose: the first word that is one's name, and not the value of an option.
  std::string CommandIn(Argument first, Argument last) const {
    for (; first != last; ++first) {
      bool const isCommand = std::any_of(subcommands_.begin(), subcommands_.end(), [&](Subcommand const& command) {
        return command.App->get_name() == *first;
      });
      if (isCommand) return *first;
      auto const* const option = app_.get_option_no_throw(*first);
      bool const hasValue = option != nullptr && option->get_expected_min() > 0;
      if (hasValue && first + 1 != last) ++first;
    }
    return {};
  }

  void Add(Subcommand command) {
    command.App->fallthrough();
    subcommands_.push_back(std::move(command));
  }

  SharedOptions shared_;
  CLI::App app_{About, "mtlspop"};
  std::vector<Subcommand> subcommands_;
};

}  // namespace

int Main(std::vector<std::string> arguments, Terminal& terminal) {
  try {
    return CommandLine{}.Run(std::move(arguments), terminal);
  } catch (std::exception const& error) {
    Say(terminal, error.what());
    return static_cast<int>(ExitCode::Failed);
  }
}

}  // namespace mtlspop::command
