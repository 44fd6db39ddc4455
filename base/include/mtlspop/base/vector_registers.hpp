#pragma once

/// @file
/// What the processor still holds.

namespace mtlspop {

/// Overwrites the processor's vector registers, through which memory is copied, where this is known how to do (Linux on
/// x86-64). What binds a function at its first call (`_dl_runtime_resolve`) writes them to the stack, where a piece of a token
/// would stay as long as the thread. To be called when a token was copied, and before a thread is started: it begins with the
/// registers of whoever starts it.
void ClearVectorRegisters() noexcept;

}  // namespace mtlspop
