#include "token.hpp"

#include <algorithm>

#include "mtlspop/base/wait.hpp"
#include "mtlspop/credential/errors.hpp"
#include "refused_secrets.hpp"

namespace mtlspop::pkcs11 {
namespace {

constexpr std::size_t MostSessions = 256;

bool IsGone(CK_RV reason) noexcept {
  switch (reason) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_DEVICE_REMOVED:
    case CKR_DEVICE_ERROR:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_OBJECT_HANDLE_INVALID:
    case CKR_KEY_HANDLE_INVALID:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return true;
    default:
      return false;
  }
}

std::string ActionFor(CK_RV reason) {
  switch (reason) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
      return "Correct the PIN (Pkcs11Options::Pin, pin-source). It was shown to the token once, and will not be again: "
             "tokens lock after a few wrong ones";
    case CKR_PIN_LOCKED:
      return "The token is locked after wrong PINs: have it unlocked with the security officer's PIN";
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
      return "Put the token back; it is opened anew by itself";
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
      return "The key may not sign: use one with CKA_SIGN";
    default:
      return "See docs/keys.md; pkcs11-tool and p11tool show what the token has";
  }
}

std::string Trimmed(unsigned char const* text, std::size_t length) {
  std::string trimmed{reinterpret_cast<char const*>(text), length};
  trimmed.erase(trimmed.find_last_not_of(" \0") + 1);
  return trimmed;
}

std::vector<CK_SLOT_ID> SlotsOf(CK_FUNCTION_LIST* module) {
  std::vector<CK_SLOT_ID> slots(256);
  CK_ULONG count = slots.size();
  if (module->C_GetSlotList(CK_TRUE, slots.data(), &count) != CKR_OK) return {};
  slots.resize(count);
  return slots;
}

}  // namespace

Error Failure(ErrorCode code, std::string const& what, CK_RV reason) {
  return Error{{code, what + ": " + p11_kit_strerror(reason), ActionFor(reason)}};
}

void Token::Check(CK_RV reason, ErrorCode code, char const* what) {
  if (reason == CKR_OK) return;
  if (IsGone(reason)) throw Gone{reason};
  throw Failure(code, what, reason);
}

Token::Token(Pkcs11Options options) : options_(std::move(options)), uri_(options_.Uri) {
  if (options_.MaximumSessions == 0 || options_.MaximumSessions > MostSessions) {
    throw Error{
        {errors::InvalidArgument, "Pkcs11Options::MaximumSessions is " + std::to_string(options_.MaximumSessions),
         "Set it to 1 to 256"}};
  }
}

void Token::FindSlot(State& state) const {
  std::size_t found = 0;
  for (auto* const module : state.Loaded->All()) {
    for (auto const slot : SlotsOf(module)) {
      CK_TOKEN_INFO token{};
      bool const matches = module->C_GetTokenInfo(slot, &token) == CKR_OK &&
                           (token.flags & CKF_TOKEN_INITIALIZED) != 0 && uri_.MatchesToken(token);
      if (!matches) continue;
      ++found;
      state.Module = module;
      state.Slot = slot;
      state.Serial = Trimmed(token.manufacturerID, sizeof token.manufacturerID) + "/" +
                     Trimmed(token.serialNumber, sizeof token.serialNumber);
    }
  }
  if (found == 1) return;
  throw Error{
      {errors::KeyUnavailable,
       found == 0 ? "No token fits the PKCS#11 URI " + uri_.ForMessages()
                  : std::to_string(found) + " tokens fit the PKCS#11 URI " + uri_.ForMessages(),
       found == 0 ? "Put the token in, and check `token`, `serial` and module-path of the URI; `p11tool --list-tokens` "
                    "shows what there is"
                  : "Name one, with `token` or `serial` in the URI"}};
}

void Token::LogIn(State& state, CK_SESSION_HANDLE session, CK_FLAGS tokenFlags) const {
  auto const pin = options_.Pin.Empty() ? uri_.Pin() : options_.Pin;
  bool const hasPad = (tokenFlags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
  if (pin.Empty() && !hasPad) return;
  if (!pin.Empty() && keys::WasRefused(state.Serial, pin)) {
    throw Failure(
        errors::KeyUnavailable, "The token has refused this PIN before, and is not asked again", CKR_PIN_INCORRECT);
  }
  std::string text{pin.Reveal()};
  auto const reason = state.Module->C_Login(
      session, CKU_USER, text.empty() ? nullptr : reinterpret_cast<CK_UTF8CHAR*>(text.data()), text.size());
  Cleanse(text);
  if (reason == CKR_OK || reason == CKR_USER_ALREADY_LOGGED_IN) return;
  if (reason == CKR_PIN_INCORRECT || reason == CKR_PIN_INVALID || reason == CKR_PIN_LEN_RANGE) {
    keys::NoteRefused(state.Serial, pin);
  }
  throw Failure(errors::KeyUnavailable, "The token does not open", reason);
}

/// With the lock. Modules tell of a token that was put in only when they are started anew: one that is not there, or does
/// not open, leaves none loaded.
void Token::Open(State& state) {
  state.Loaded = std::make_shared<Modules>(uri_.ModulePath());
  try {
    FindSlot(state);
    CK_TOKEN_INFO token{};
    CK_SESSION_HANDLE session = 0;
    auto reason = state.Module->C_GetTokenInfo(state.Slot, &token);
    if (reason == CKR_OK) {
      reason = state.Module->C_OpenSession(state.Slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
    }
    if (reason != CKR_OK) throw Failure(errors::KeyUnavailable, "The token gives no session", reason);
    LogIn(state, session, token.flags);
    state.Free.push_back(session);
  } catch (...) {
    state.Loaded.reset();
    throw;
  }
  ++state.Generation;
  state.IsOpen = true;
  state.Sessions = 1;
}

/// After it every session of `generation` is void.
void Token::Close(State& state, std::uint64_t generation) noexcept {
  std::lock_guard<std::mutex> const lock{state.Mutex};
  if (!state.IsOpen || state.Generation != generation) return;
  state.IsOpen = false;
  state.Free.clear();
  state.Sessions = 0;
  state.Objects.clear();
  state.Loaded.reset();
  state.Changed.notify_all();
}

/// A session of the pool, until it goes out of scope.
class Token::Lease final {
 public:
  Lease(Token& token, State& state, Context const& context) : state_(state) {
    std::unique_lock<std::mutex> lock{state_.Mutex};
    context.ThrowIfEnded("Waiting for the token");
    auto const most = token.options_.MaximumSessions;
    WaitOrThrow(lock, state_.Changed, context, "Waiting for a session of the token", [&] {
      return !state_.IsOpen || !state_.Free.empty() || state_.Sessions < most;
    });
    if (!state_.IsOpen) token.Open(state_);
    generation_ = state_.Generation;
    modules_ = state_.Loaded;
    session_ = {state_.Module, state_.Slot, 0};
    if (!state_.Free.empty()) {
      session_.Handle = state_.Free.back();
      state_.Free.pop_back();
      return;
    }
    auto const reason =
        state_.Module->C_OpenSession(state_.Slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session_.Handle);
    Check(reason, errors::KeyUnavailable, "The token gives no further session");
    ++state_.Sessions;
  }
  ~Lease() {
    std::lock_guard<std::mutex> const lock{state_.Mutex};
    if (!state_.IsOpen || state_.Generation != generation_) return;
    state_.Free.push_back(session_.Handle);
    state_.Changed.notify_one();
  }
  Lease(Lease const&) = delete;
  Lease& operator=(Lease const&) = delete;

  Session const& Get() const noexcept { return session_; }
  std::uint64_t Generation() const noexcept { return generation_; }

 private:
  State& state_;
  std::shared_ptr<Modules> modules_;
  Session session_{};
  std::uint64_t generation_ = 0;
};

void Token::RunOnce(
    State& state, Context const& context, Access access, std::function<void(Session const&)> const& action) {
  std::uint64_t generation = 0;
  try {
    Lease const lease{*this, state, context};
    generation = lease.Generation();
    auto session = lease.Get();
    if (access == Access::Read) {
      action(session);
      return;
    }
    Check(
        session.Module->C_OpenSession(
            session.Slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session.Handle),
        errors::KeyUnavailable, "The token may not be written to");
    auto const close = gsl::finally([&session] { session.Module->C_CloseSession(session.Handle); });
    action(session);
  } catch (Gone const&) {
    Close(state, generation);
    throw;
  }
}

void Token::Run(Context const& context, Access access, std::function<void(Session const&)> const& action) {
  auto& state = state_.Get();
  try {
    RunOnce(state, context, access, action);
  } catch (Gone const&) {
    try {
      RunOnce(state, context, access, action);
    } catch (Gone const& gone) {
      throw Failure(errors::KeyUnavailable, "The token is no longer there", gone.Reason);
    }
  }
}

CK_OBJECT_HANDLE Token::Remember(
    std::uint64_t key, Session const& session, std::function<CK_OBJECT_HANDLE(Session const&)> const& find) {
  auto& state = state_.Get();
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    auto const known = state.Objects.find(key);
    if (known != state.Objects.end()) return known->second;
  }
  auto const found = find(session);
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.Objects[key] = found;
  return found;
}

void Token::AuthenticateOperation(Session const& session) const {
  auto const pin = options_.Pin.Empty() ? uri_.Pin() : options_.Pin;
  std::string serial;
  {
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const lock{state.Mutex};
    serial = state.Serial;
  }
  if (keys::WasRefused(serial, pin)) {
    throw Failure(errors::PrivateKeyUnusable, "The token has refused this PIN before", CKR_PIN_INCORRECT);
  }
  std::string text{pin.Reveal()};
  auto const reason = session.Module->C_Login(
      session.Handle, CKU_CONTEXT_SPECIFIC, text.empty() ? nullptr : reinterpret_cast<CK_UTF8CHAR*>(text.data()),
      text.size());
  Cleanse(text);
  if (reason == CKR_PIN_INCORRECT) keys::NoteRefused(serial, pin);
  Check(reason, errors::PrivateKeyUnusable, "The token does not let the key be used");
}

}  // namespace mtlspop::pkcs11
