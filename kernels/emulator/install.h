// Makes Device::emulated available to a program that links the emulator (tests and benches do).
#pragma once

namespace perturbine {
void install_emulator();
}  // namespace perturbine
