#pragma once

/// @file
/// What happens inside, told to whoever wants to know: events with fields, not finished text.
///
/// An `Observer` is given to the options of transports, credentials and pipelines (`Observer`), or once for the process
/// (`SetDefaultObserver`). Where nobody gives one, the default is the log on stderr that `MTLSPOP_LOG` asks for, or nothing.
/// docs/observability.md has the table of all events and their fields.
///
/// @code
/// class TokenCounter final : public mtlspop::Observer {
///  public:
///   void OnEvent(mtlspop::Event const& event) override {
///     if (event.Name == "token.obtained") ++count_;
///   }
///
///  private:
///   std::atomic<int> count_{0};
/// };
/// mtlspop::SetDefaultObserver(std::make_shared<TokenCounter>());
/// @endcode

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <gsl/span>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// How much an event matters, in rising order.
enum class Severity {
  /// For whoever looks for a fault: each step on the way.
  Debug,
  /// What normally happens.
  Info,
  /// Something is not as it should be, and the library goes on.
  Warning,
  /// Something failed.
  Error,
};

/// "debug", "info", "warning", "error".
MTLSPOP_EXPORT std::string_view ToString(Severity severity) noexcept;

/// A value of an event: a text, a whole number, or yes or no. Borrows the text; making one allocates nothing.
struct MTLSPOP_EXPORT EventField {
  /// A text. It is borrowed, as `name` is, until the event has been told; so in all that follow.
  EventField(std::string_view name, std::string_view value) noexcept : Name(name), Value(value) {}
  /// A text that ends with a null character.
  EventField(std::string_view name, char const* value) noexcept : Name(name), Value(std::string_view{value}) {}
  /// A text.
  EventField(std::string_view name, std::string const& value) noexcept : Name(name), Value(std::string_view{value}) {}
  /// Yes or no.
  EventField(std::string_view name, bool value) noexcept : Name(name), Value(value) {}
  /// A whole number.
  EventField(std::string_view name, int value) noexcept : Name(name), Value(std::int64_t{value}) {}
  /// A whole number.
  EventField(std::string_view name, std::int64_t value) noexcept : Name(name), Value(value) {}

  /// "true" or "false" for yes or no.
  std::string ToText() const;

  /// The name, in snake_case and with its unit, for example "duration_ms".
  std::string_view Name;
  /// The value.
  std::variant<std::string_view, std::int64_t, bool> Value;
};

/// One thing that happened. Valid for the duration of the call that it is passed to: copy what is to be kept.
struct MTLSPOP_EXPORT Event {
  /// From the table in docs/observability.md: what it is about, a dot, and what happened, for example `binding.issued`.
  std::string_view Name;
  /// How much it matters.
  mtlspop::Severity Severity = Severity::Info;
  /// When it happened, by the system's clock.
  std::chrono::system_clock::time_point Time;
  /// Those of the event and then those of whoever tells it (`credential`, `identity`). All texts have gone through
  /// `RedactField()`.
  gsl::span<EventField const> Fields;

  /// Null where it has none of this name.
  EventField const* Find(std::string_view name) const noexcept;
  /// "" where it has no text of this name.
  std::string_view Text(std::string_view name) const noexcept;
  /// `otherwise` where it has no number of this name.
  std::int64_t Number(std::string_view name, std::int64_t otherwise = 0) const noexcept;
};

/// Is told what happens.
///
/// It is called on the thread where it happens: the caller's for a blocking call, one of the library's own for what runs in
/// the background, and one of `TransportOptions::Callbacks` for an asynchronous call and a connection that is closed (on Windows
/// one that is made, too); never on a reactor's thread, and never while the library holds a lock that a call into the library would want. Events of one request
/// come in order; those of several requests come at the same time, on different threads.
///
/// What takes long (a disk, a network) belongs on a thread of the observer's own: the request waits for `OnEvent`. What it
/// throws is dropped, since watching a request must not fail it. It must not send requests through what it watches.
///
/// Thread safety: the library calls all members from any thread at any time.
class MTLSPOP_EXPORT Observer {
 public:
  virtual ~Observer() = default;
  /// Is told of one event. What it throws is dropped.
  virtual void OnEvent(Event const& event) = 0;
  /// What is less severe is not even put together. Asked before each event, so that it may change, and where the event happens,
  /// also on the thread of a reactor, which many requests share: it must cost next to nothing, never wait, and not call this
  /// library.
  virtual Severity Minimum() const noexcept { return Severity::Debug; }
};

/// One observer that tells all of `observers`, in this order, each what it wants; null ones are left out.
MTLSPOP_EXPORT std::shared_ptr<Observer> TellAll(std::vector<std::shared_ptr<Observer>> observers);

/// Who is told of everything for which the options name no observer, from now on; null for nobody. Until this is called it is
/// `EnvironmentLog()`.
///
/// Thread safety: may be called at any time; meant for the beginning of a program. An observer that was set stays alive to
/// the end of the process, since any thread may just be telling it something.
MTLSPOP_EXPORT void SetDefaultObserver(std::shared_ptr<Observer> observer);

/// `observer` is told of everything from now on, beside whoever `SetDefaultObserver` or the options name; but for what the
/// options want nobody to be told of. For adapters that feed the log of a framework, which the application switches on and
/// off by the framework's own means. Null is ignored.
///
/// Thread safety: may be called at any time. The observer stays alive to the end of the process.
MTLSPOP_EXPORT void AddObserver(std::shared_ptr<Observer> observer);

/// A way to an observer: the one that it was made from, or the process's default one. What the options of this library hold;
/// an application assigns its observer.
///
/// Costs a comparison where nobody wants to know.
///
/// Thread safety: all members but assignment may be called from any thread.
class MTLSPOP_EXPORT EventSink final {
 public:
  /// To the process's default observer, whoever that is at the moment.
  EventSink() noexcept = default;
  /// To `observer`; to nobody where it is null.
  EventSink(std::shared_ptr<Observer> observer);
  /// The same for an observer of a class of one's own.
  template <typename Derived, typename = std::enable_if_t<std::is_base_of_v<Observer, Derived>>>
  EventSink(std::shared_ptr<Derived> observer) : EventSink(std::shared_ptr<Observer>{std::move(observer)}) {}

  /// The same, with fields that all of its events have, behind their own.
  EventSink With(std::initializer_list<EventField> fields) const;

  /// Whether it leads to the process's default observer, since nobody has named another.
  bool IsDefault() const noexcept;
  /// Whether anybody wants to be told of events of this severity.
  bool IsEnabled(Severity severity) const noexcept;
  /// Redacts the texts of `fields` and tells the observer, if it wants to know.
  void Tell(Severity severity, std::string_view name, std::initializer_list<EventField> fields = {}) const noexcept;

 private:
  struct State;
  std::shared_ptr<State const> state_;
};

}  // namespace mtlspop
