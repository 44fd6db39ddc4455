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
    case CKR_OPERATION_ACTIVE:
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
      return "Correct the PIN (Pkcs11Options::Pin, pin-source), and only then start this process again: it shows a "
             "wrong PIN to a token once, and tokens lock after a few";
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

void Token::ThrowIfGone(CK_RV reason) {
  if (IsGone(reason)) throw Gone{reason};
}

void Token::Check(CK_RV reason, ErrorCode code, char const* what) {
  if (reason == CKR_OK) return;
  ThrowIfGone(reason);
  throw Failure(code, what, reason);
}

Token::Token(Pkcs11Options options, Access access) : options_(std::move(options)), access_(access), uri_(options_.Uri) {
  if (options_.MaximumSessions == 0 || options_.MaximumSessions > MostSessions) {
    throw Error{
        {errors::InvalidArgument, "Pkcs11Options::MaximumSessions is " + std::to_string(options_.MaximumSessions),
         "Set it to 1 to 256"}};
  }
}

void Token::FindSlot(Opened& opened) const {
  std::size_t found = 0;
  for (auto* const module : opened.Loaded->All()) {
    for (auto const slot : SlotsOf(module)) {
      CK_TOKEN_INFO token{};
      bool const matches = module->C_GetTokenInfo(slot, &token) == CKR_OK &&
                           (token.flags & CKF_TOKEN_INITIALIZED) != 0 && uri_.Matches(module, slot, token);
      if (!matches) continue;
      ++found;
      opened.Module = module;
      opened.Slot = slot;
      opened.Serial = Trimmed(token.manufacturerID, sizeof token.manufacturerID) + "/" +
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

CK_RV Token::ShowPin(Session const& session, CK_USER_TYPE user, Context const& context) const {
  auto const pin = options_.Pin.Empty() ? uri_.Pin() : options_.Pin;
  keys::SecretShowing const showing{session.Serial, context};
  CK_TOKEN_INFO token{};
  auto const known = session.Module->C_GetTokenInfo(session.Slot, &token);
  if (known != CKR_OK) return known;
  bool const hasPad = (token.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
  if (pin.Empty() && !hasPad) return user == CKU_USER ? CKR_OK : CKR_PIN_INVALID;
  if ((token.flags & CKF_USER_PIN_LOCKED) != 0) return CKR_PIN_LOCKED;
  if ((token.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    throw Error{
        {errors::KeyUnavailable, "One more wrong PIN locks the token, and the PIN is not shown to it",
         "Log in once by hand with the right PIN, which gives the other attempts back: `pkcs11-tool --login "
         "--list-objects`. Correct the PIN (Pkcs11Options::Pin, pin-source) before that"}};
  }
  // What was mistyped on a pad is not known here, and is not refused the next time.
  bool const isKnown = !pin.Empty();
  if (isKnown && showing.WasRefused(pin)) {
    throw Failure(
        errors::KeyUnavailable, "The token has refused this PIN before, and is not asked again", CKR_PIN_INCORRECT);
  }
  std::string text{pin.Reveal()};
  auto const reason = session.Module->C_Login(
      session.Handle, user, isKnown ? reinterpret_cast<CK_UTF8CHAR*>(text.data()) : nullptr, text.size());
  Cleanse(text);
  bool const isWrong = reason == CKR_PIN_INCORRECT || reason == CKR_PIN_INVALID || reason == CKR_PIN_LEN_RANGE;
  if (isKnown && isWrong) showing.NoteRefused(pin);
  return reason;
}

CK_RV Token::OpenSession(Session& session) const {
  CK_FLAGS const flags = CKF_SERIAL_SESSION | (access_ == Access::Write ? CKF_RW_SESSION : 0);
  return session.Module->C_OpenSession(session.Slot, flags, nullptr, nullptr, &session.Handle);
}

/// Tokens have limits of their own: some have one session, and smart cards often sixteen.
std::size_t Token::LimitOf(Session const& session) const {
  CK_TOKEN_INFO token{};
  if (session.Module->C_GetTokenInfo(session.Slot, &token) != CKR_OK) return options_.MaximumSessions;
  auto limit = options_.MaximumSessions;
  for (auto const most :
       {token.ulMaxSessionCount, access_ == Access::Write ? token.ulMaxRwSessionCount : CK_EFFECTIVELY_INFINITE}) {
    if (most != CK_EFFECTIVELY_INFINITE && most != CK_UNAVAILABLE_INFORMATION) {
      limit = std::min(limit, static_cast<std::size_t>(most));
    }
  }
  return limit;
}

/// The token with its first session. Modules tell of a token that was put in only when they are started anew: one that is not
/// there, or does not open, leaves none loaded.
std::pair<std::shared_ptr<Token::Opened const>, CK_SESSION_HANDLE> Token::Open(Context const& context) const {
  auto const opened = std::make_shared<Opened>();
  opened->Loaded = std::make_shared<Modules>(uri_.ModulePath());
  FindSlot(*opened);
  Session session{opened->Module, opened->Slot, 0, opened->Serial};
  auto const reason = OpenSession(session);
  if (reason != CKR_OK) {
    throw Failure(
        errors::KeyUnavailable,
        access_ == Access::Write ? "The token gives no session to write with" : "The token gives no session", reason);
  }
  auto const shown = ShowPin(session, CKU_USER, context);
  if (shown != CKR_OK && shown != CKR_USER_ALREADY_LOGGED_IN) {
    throw Failure(errors::KeyUnavailable, "The token does not open", shown);
  }
  return {opened, session.Handle};
}

/// With the lock, which it lets go of meanwhile: a module that hangs holds up no thread but this one.
void Token::OpenInTurn(State& state, std::unique_lock<std::mutex>& lock, Context const& context) {
  state.IsOpening = true;
  lock.unlock();
  auto const done = gsl::finally([&] {
    if (!lock.owns_lock()) lock.lock();
    state.IsOpening = false;
    state.Changed.notify_all();
  });
  auto const opened = Open(context);
  auto const limit = LimitOf({opened.first->Module, opened.first->Slot, opened.second, opened.first->Serial});
  std::vector<CK_SESSION_HANDLE> free;
  free.reserve(limit);
  free.push_back(opened.second);
  lock.lock();
  state.Current = opened.first;
  state.Free.swap(free);
  state.Sessions = 1;
  state.Sound = 1;
  state.Limit = limit;
}

/// After it every session of `opened` is void.
void Token::Close(State& state, std::shared_ptr<Opened const> const& opened) noexcept {
  std::lock_guard<std::mutex> const lock{state.Mutex};
  if (state.Current != opened) return;
  // The caller keeps it, so that the modules end without the lock.
  state.Current.reset();
  state.Free.clear();
  state.Objects.clear();
  state.Changed.notify_all();
}

Token::Lease Token::Take(State& state, Context const& context) {
  context.ThrowIfEnded("Waiting for the token");
  for (;;) {
    // Ends after the lock: modules take their time to end.
    Lease lease;
    std::unique_lock<std::mutex> lock{state.Mutex};
    WaitOrThrow(lock, state.Changed, context, "Waiting for a session of the token", [&] {
      return !state.IsOpening && (!state.Current || !state.Free.empty() || state.Sessions < state.Limit);
    });
    if (!state.Current) OpenInTurn(state, lock, context);
    lease = {state.Current, {state.Current->Module, state.Current->Slot, 0, state.Current->Serial}};
    if (!state.Free.empty()) {
      lease.Use.Handle = state.Free.back();
      state.Free.pop_back();
      return lease;
    }
    ++state.Sessions;
    lock.unlock();
    auto const reason = OpenSession(lease.Use);
    lock.lock();
    bool const isCurrent = state.Current == lease.Of;
    if (reason == CKR_OK) {
      if (!isCurrent) continue;  // a session of a token that was closed meanwhile, and may be logged out
      ++state.Sound;
      return lease;
    }
    if (isCurrent) {
      --state.Sessions;
      state.Changed.notify_all();
    }
    if (reason == CKR_SESSION_COUNT && !(isCurrent && state.Sessions == 0)) {
      // It gives no more than there are: one of those is waited for.
      if (isCurrent) state.Limit = state.Sessions;
      continue;
    }
    lock.unlock();
    if (IsGone(reason)) Close(state, lease.Of);
    Check(reason, errors::KeyUnavailable, "The token gives no further session");
  }
}

void Token::Return(State& state, Lease const& lease) noexcept {
  std::lock_guard<std::mutex> const lock{state.Mutex};
  if (state.Current != lease.Of) return;
  state.Free.push_back(lease.Use.Handle);
  state.Changed.notify_one();
}

bool Token::Discard(State& state, Lease const& lease) noexcept {
  bool isLast = false;
  {
    std::lock_guard<std::mutex> const lock{state.Mutex};
    if (state.Current != lease.Of) return false;
    isLast = --state.Sound == 0;
  }
  if (isLast) {
    // A token whose last session is closed logs its user out.
    Close(state, lease.Of);
    return true;
  }
  lease.Use.Module->C_CloseSession(lease.Use.Handle);
  std::lock_guard<std::mutex> const lock{state.Mutex};
  if (state.Current != lease.Of) return true;
  --state.Sessions;
  state.Changed.notify_one();
  return true;
}

void Token::RunOnce(State& state, Context const& context, std::function<void(Session const&)> const& action) {
  auto const lease = Take(state, context);
  try {
    action(lease.Use);
  } catch (Gone const&) {
    Close(state, lease.Of);
    throw;
  } catch (...) {
    // Somebody else found the token gone, and a session that is logged out does not see its keys.
    if (!Discard(state, lease)) throw Gone{CKR_SESSION_CLOSED};
    throw;
  }
  Return(state, lease);
}

void Token::Run(Context const& context, std::function<void(Session const&)> const& action) {
  auto& state = state_.Get();
  try {
    RunOnce(state, context, action);
  } catch (Gone const&) {
    try {
      RunOnce(state, context, action);
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
  // Handles of a token that was closed meanwhile mean nothing.
  if (state.Current && state.Current->Module == session.Module) state.Objects[key] = found;
  return found;
}

void Token::AuthenticateOperation(Session const& session, Context const& context) const {
  Check(
      ShowPin(session, CKU_CONTEXT_SPECIFIC, context), errors::PrivateKeyUnusable,
      "The token does not let the key be used");
}

}  // namespace mtlspop::pkcs11
