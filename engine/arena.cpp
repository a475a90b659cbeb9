#include "engine/arena.h"

#include <algorithm>

namespace perturbine {

void* Arena::bytes(std::size_t count) {
  count = std::max<std::size_t>(64, (count + 63) / 64 * 64);
  if (blocks_.empty() || blocks_.back().used + count > blocks_.back().size) {
    const std::size_t size = std::max<std::size_t>(count, std::size_t{1} << 20);
    blocks_.push_back({queue_.allocate(size), size, 0});
  }
  Block& block = blocks_.back();
  void* p = static_cast<std::byte*>(block.memory.get()) + block.used;
  block.used += count;
  used_ += count;
  peak_ = std::max(peak_, used_);
  return p;
}

void Arena::reset() {
  if (blocks_.size() > 1) {
    queue_.synchronise();
    const std::size_t size = peak_ + 64 * 1024;
    blocks_.clear();
    blocks_.push_back({queue_.allocate(size), size, 0});
  }
  for (Block& b : blocks_) b.used = 0;
  used_ = 0;
}

}  // namespace perturbine
