#pragma once

/// @file
/// What the processor still holds.

namespace mtlspop {

/// Overwrites the processor's vector registers, through which memory is copied, where this is known how to do (Linux on
/// x86-64). To be called before a thread is started: it begins with the registers of whoever starts it, and what binds its
/// functions (`_dl_runtime_resolve`) writes them to its stack, where a piece of a token would stay as long as the thread.
void ClearVectorRegisters() noexcept;

}  // namespace mtlspop
