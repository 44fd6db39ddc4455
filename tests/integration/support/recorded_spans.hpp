#pragma once

/// @file
/// What Azure's tracing is told, kept.

#include <azure/core/internal/tracing/service_tracing.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mtlspop::azure {

namespace tracing = Azure::Core::Tracing::_internal;

/// As texts. As Azure's do, it refers to what it is given until it is used, so the texts are made then.
class RecordedAttributes final : public tracing::AttributeSet {
 public:
  void AddAttribute(std::string const& name, bool value) override { Add(name, value ? "true" : "false"); }
  void AddAttribute(std::string const& name, std::int32_t value) override { Add(name, std::to_string(value)); }
  void AddAttribute(std::string const& name, std::int64_t value) override { Add(name, std::to_string(value)); }
  void AddAttribute(std::string const& name, std::uint64_t value) override { Add(name, std::to_string(value)); }
  void AddAttribute(std::string const& name, double value) override { Add(name, std::to_string(value)); }
  void AddAttribute(std::string const& name, char const* value) override { Add(name, value); }
  void AddAttribute(std::string const& name, std::string const& value) override {
    borrowed_.emplace_back(&name, &value);
  }

  std::map<std::string, std::string> Texts() const {
    auto texts = own_;
    for (auto const& [name, value] : borrowed_) texts[*name] = *value;
    return texts;
  }

 private:
  void Add(std::string const& name, std::string value) { own_[name] = std::move(value); }

  std::map<std::string, std::string> own_;
  std::vector<std::pair<std::string const*, std::string const*>> borrowed_;
};

struct RecordedSpan {
  std::string Name;
  std::string Parent;
  std::map<std::string, std::string> Attributes;
  /// With their attributes.
  std::vector<std::pair<std::string, std::map<std::string, std::string>>> Events;
  std::string Exception;
  bool IsError = false;
  bool IsEnded = false;

  std::map<std::string, std::string> const* Find(std::string const& event) const {
    for (auto const& [name, attributes] : Events) {
      if (name == event) return &attributes;
    }
    return nullptr;
  }
};

/// Thread safety: all members may be called from any thread, `Spans` when nobody makes any.
class SpanRecorder final : public Azure::Core::Tracing::TracerProvider,
                           public std::enable_shared_from_this<SpanRecorder> {
 public:
  std::vector<std::shared_ptr<RecordedSpan>> Named(std::string const& name) const {
    std::lock_guard<std::mutex> const lock{mutex_};
    std::vector<std::shared_ptr<RecordedSpan>> found;
    for (auto const& span : spans_) {
      if (span->Name == name) found.push_back(span);
    }
    return found;
  }

  std::shared_ptr<tracing::Tracer> CreateTracer(std::string const&, std::string const&) const override {
    return std::make_shared<Tracer>(shared_from_this());
  }

 private:
  class Span final : public tracing::Span {
   public:
    explicit Span(std::shared_ptr<RecordedSpan> record) : Record(std::move(record)) {}

    void End(Azure::Nullable<Azure::DateTime>) override { Record->IsEnded = true; }
    void AddAttributes(tracing::AttributeSet const& attributes) override {
      Record->Attributes.merge(TextsOf(attributes));
    }
    void AddAttribute(std::string const& name, std::string const& value) override { Record->Attributes[name] = value; }
    void AddEvent(std::string const& name, tracing::AttributeSet const& attributes) override {
      Record->Events.emplace_back(name, TextsOf(attributes));
    }
    void AddEvent(std::string const& name) override { Record->Events.push_back({name, {}}); }
    void AddEvent(std::exception const& exception) override { Record->Exception = exception.what(); }
    void SetStatus(tracing::SpanStatus const& status, std::string const&) override {
      Record->IsError = status == tracing::SpanStatus::Error;
    }
    void PropagateToHttpHeaders(Azure::Core::Http::Request&) override {}

    std::shared_ptr<RecordedSpan> const Record;
  };

  class Tracer final : public tracing::Tracer {
   public:
    explicit Tracer(std::shared_ptr<SpanRecorder const> recorder) : recorder_(std::move(recorder)) {}

    std::shared_ptr<tracing::Span> CreateSpan(
        std::string const& name, tracing::CreateSpanOptions const& options) const override {
      auto record = std::make_shared<RecordedSpan>();
      record->Name = name;
      if (options.ParentSpan) record->Parent = static_cast<Span const&>(*options.ParentSpan).Record->Name;
      if (options.Attributes) record->Attributes = TextsOf(*options.Attributes);
      std::lock_guard<std::mutex> const lock{recorder_->mutex_};
      recorder_->spans_.push_back(record);
      return std::make_shared<Span>(std::move(record));
    }
    std::unique_ptr<tracing::AttributeSet> CreateAttributeSet() const override {
      return std::make_unique<RecordedAttributes>();
    }

   private:
    std::shared_ptr<SpanRecorder const> recorder_;
  };

  static std::map<std::string, std::string> TextsOf(tracing::AttributeSet const& attributes) {
    return static_cast<RecordedAttributes const&>(attributes).Texts();
  }

  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<RecordedSpan>> spans_;
};

}  // namespace mtlspop::azure
