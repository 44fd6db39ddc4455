#include "mtlspop/transport/observer.hpp"

#include <algorithm>
#include <atomic>

#include "mtlspop/transport/log.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop {
namespace {

bool Wants(Observer const* observer, Severity severity) noexcept {
  return observer != nullptr && severity >= observer->Minimum();
}

/// An observer of the whole process, and those that were before it. None is ever freed: whoever reads the pointer takes no
/// lock, and so needs none after fork().
struct OfProcess {
  std::shared_ptr<Observer> Who;
  OfProcess const* Before;
};
using Newest = std::atomic<OfProcess const*>;

/// Of these the newest counts.
Newest& Defaults() noexcept {
  static Newest newest{nullptr};
  return newest;
}

/// Of these all count.
Newest& Added() noexcept {
  static Newest newest{nullptr};
  return newest;
}

void Push(std::shared_ptr<Observer> observer, Newest& to) {
  auto made = std::make_unique<OfProcess>(OfProcess{std::move(observer), to.load(std::memory_order_acquire)});
  while (!to.compare_exchange_weak(made->Before, made.get(), std::memory_order_acq_rel)) {
  }
  static_cast<void>(made.release());
}

/// Null where nobody is told, or memory is too short to find out.
Observer* ProcessDefault() noexcept {
  auto& defaults = Defaults();
  auto const* known = defaults.load(std::memory_order_acquire);
  if (known != nullptr) return known->Who.get();
  try {
    auto made = std::make_unique<OfProcess const>(OfProcess{EnvironmentLog(), nullptr});
    if (defaults.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel)) known = made.release();
    return known->Who.get();
  } catch (std::exception const&) {
    return nullptr;
  }
}

OfProcess const* NewestAdded() noexcept { return Added().load(std::memory_order_acquire); }

bool AnyAddedWants(Severity severity) noexcept {
  auto const* added = NewestAdded();
  while (added != nullptr && !Wants(added->Who.get(), severity)) added = added->Before;
  return added != nullptr;
}

void TellOne(Observer* observer, Event const& event) noexcept {
  if (!Wants(observer, event.Severity)) return;
  try {
    observer->OnEvent(event);
  } catch (...) {
    // Watching a request never fails it, nor keeps the news from other observers.
    return;
  }
}

/// The event's own value wins, unless it has nothing to say.
void AddUnlessThere(std::string_view name, std::string_view text, std::vector<EventField>& fields) {
  auto const known =
      std::find_if(fields.begin(), fields.end(), [name](auto const& field) { return field.Name == name; });
  if (known == fields.end()) {
    fields.emplace_back(name, text);
  } else if (known->Value == EventField{name, ""}.Value) {
    known->Value = text;
  }
}

class All final : public Observer {
 public:
  explicit All(std::vector<std::shared_ptr<Observer>> observers) : observers_(std::move(observers)) {}

  void OnEvent(Event const& event) override {
    for (auto const& each : observers_) TellOne(each.get(), event);
  }

  Severity Minimum() const noexcept override {
    auto least = Severity::Error;
    for (auto const& each : observers_) least = std::min(least, each->Minimum());
    return least;
  }

 private:
  std::vector<std::shared_ptr<Observer>> observers_;
};

}  // namespace

std::string_view ToString(Severity severity) noexcept {
  switch (severity) {
    case Severity::Debug:
      return "debug";
    case Severity::Info:
      return "info";
    case Severity::Warning:
      return "warning";
    case Severity::Error:
      break;
  }
  return "error";
}

std::string EventField::ToText() const {
  if (auto const* text = std::get_if<std::string_view>(&Value)) return std::string{*text};
  if (auto const* number = std::get_if<std::int64_t>(&Value)) return std::to_string(*number);
  return std::get<bool>(Value) ? "true" : "false";
}

EventField const* Event::Find(std::string_view name) const noexcept {
  auto const found =
      std::find_if(Fields.begin(), Fields.end(), [name](auto const& field) { return field.Name == name; });
  return found == Fields.end() ? nullptr : &*found;
}

std::string_view Event::Text(std::string_view name) const noexcept {
  auto const* const field = Find(name);
  auto const* const text = field == nullptr ? nullptr : std::get_if<std::string_view>(&field->Value);
  return text == nullptr ? std::string_view{} : *text;
}

std::int64_t Event::Number(std::string_view name, std::int64_t otherwise) const noexcept {
  auto const* const field = Find(name);
  auto const* const number = field == nullptr ? nullptr : std::get_if<std::int64_t>(&field->Value);
  return number == nullptr ? otherwise : *number;
}

std::shared_ptr<Observer> TellAll(std::vector<std::shared_ptr<Observer>> observers) {
  observers.erase(std::remove(observers.begin(), observers.end(), nullptr), observers.end());
  if (observers.empty()) return nullptr;
  return std::make_shared<All>(std::move(observers));
}

void SetDefaultObserver(std::shared_ptr<Observer> observer) { Push(std::move(observer), Defaults()); }

void AddObserver(std::shared_ptr<Observer> observer) { Push(std::move(observer), Added()); }

struct EventSink::State {
  /// A field that owns its text, redacted already.
  struct Owned {
    std::string Name;
    std::string Text;
  };

  /// Whether `Who` counts, and not the process's default.
  bool HasOwn;
  std::shared_ptr<Observer> Who;
  std::vector<Owned> Fields;
};

EventSink::EventSink(std::shared_ptr<Observer> observer)
    : state_(std::make_shared<State const>(State{true, std::move(observer), {}})) {}

EventSink EventSink::With(std::initializer_list<EventField> fields) const {
  auto state = state_ ? *state_ : State{false, nullptr, {}};
  for (auto const& field : fields) {
    auto text = RedactField(field.Name, field.ToText());
    if (!text.empty()) state.Fields.push_back({std::string{field.Name}, std::move(text)});
  }
  EventSink sink;
  sink.state_ = std::make_shared<State const>(std::move(state));
  return sink;
}

bool EventSink::IsDefault() const noexcept { return !state_ || !state_->HasOwn; }

bool EventSink::IsEnabled(Severity severity) const noexcept {
  auto const* const own = IsDefault() ? ProcessDefault() : state_->Who.get();
  if (Wants(own, severity)) return true;
  bool const isForNobody = !IsDefault() && own == nullptr;
  return !isForNobody && AnyAddedWants(severity);
}

void EventSink::Tell(
    Severity severity, std::string_view name, std::initializer_list<EventField> fields) const noexcept {
  if (!IsEnabled(severity)) return;
  try {
    std::vector<std::string> texts;
    texts.reserve(fields.size() + 1);
    std::vector<EventField> redacted;
    redacted.reserve(fields.size() + (state_ ? state_->Fields.size() : 0));
    for (auto const& field : fields) {
      if (auto const* text = std::get_if<std::string_view>(&field.Value)) {
        redacted.emplace_back(field.Name, texts.emplace_back(RedactField(field.Name, *text)));
      } else {
        redacted.push_back(field);
      }
    }
    if (state_) {
      for (auto const& field : state_->Fields) AddUnlessThere(field.Name, field.Text, redacted);
    }
    auto const& redactedName = texts.emplace_back(Redact(name));
    Event const event{redactedName, severity, std::chrono::system_clock::now(), redacted};
    TellOne(IsDefault() ? ProcessDefault() : state_->Who.get(), event);
    for (auto const* added = NewestAdded(); added != nullptr; added = added->Before) TellOne(added->Who.get(), event);
  } catch (...) {
    // Watching a request never fails it.
    return;
  }
}

}  // namespace mtlspop
