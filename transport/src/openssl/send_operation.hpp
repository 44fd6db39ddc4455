#pragma once

/// @file
/// `SendAsync`.

#include <memory>
#include <optional>

#include "mtlspop/transport/outcome.hpp"
#include "openssl/operation.hpp"
#include "openssl/sending.hpp"
#include "openssl/transport_core.hpp"

namespace mtlspop::openssl {

/// A `Sending` that a reactor drives. What is the application's (body, completion, request) is called and destroyed
/// elsewhere.
class SendOperation final : public Operation {
 public:
  /// @throw Error `system_failure`
  SendOperation(
      std::shared_ptr<TransportCore const> core,
      std::shared_ptr<Request> request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Completion<std::unique_ptr<Response>> done);

  void RunForApplication(std::function<void()> task) override { core_->Options.Callbacks(std::move(task)); }

  /// Begins, or tells why the request may not be sent.
  void Send();

 private:
  Step Advance() override { return sending_->Advance(); }
  std::exception_ptr FindFailure() const override { return sending_->FindFailure(); }
  void ReadBody() override;
  Step Hear() override;
  void FreeBuffers() noexcept override { sending_->FreeBuffers(); }
  void End(std::exception_ptr failure) noexcept override;

  void Tell() noexcept override;

  void ReadBodyHere() noexcept;

  std::shared_ptr<TransportCore const> core_;
  std::shared_ptr<Request> request_;
  std::shared_ptr<BindingCertificate const> binding_;
  Completion<std::unique_ptr<Response>> done_;
  /// Of the body's reading, which an early answer ends.
  std::optional<Context> reading_;
  std::optional<Sending> sending_;
  std::unique_ptr<Response> response_;
  std::exception_ptr failure_;
};

}  // namespace mtlspop::openssl
