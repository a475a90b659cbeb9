// Runs the blocks of a grid: fibers for CUDA threads, barriers and warp collectives as meeting points between them. The
// blocks of a cluster run together, each with shared memory and a barrier of its own.
//
// Under ThreadSanitizer this file stays uninstrumented and tells the sanitizer what a GPU promises: each CUDA thread is
// a thread of its own, ordered only by barriers and collectives. A missing __syncthreads is then reported as a race.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "kernels/emulator/emulator.h"
#include "kernels/emulator/fiber.h"
#include "kernels/emulator/waiting.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(PERTURBINE_EMULATOR_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace perturbine::emulator {
namespace {

// The environment variable PERTURBINE_OMIT_BARRIER=FILE:LINE takes the barrier of that line out of every kernel,
// so that a test can ask whether a missing barrier is noticed without building the kernel again.
struct OmittedBarrier {
  std::string_view file;
  unsigned line = 0;
  OmittedBarrier() {
    if (const char* place = std::getenv("PERTURBINE_OMIT_BARRIER")) {
      file = place;
      const std::size_t colon = file.rfind(':');
      line = colon == file.npos ? 0 : static_cast<unsigned>(std::atoi(place + colon + 1));
      file = file.substr(0, colon);
    }
  }
};
const OmittedBarrier omitted_barrier;
bool is_omitted(Site s) {
  return s.line() == omitted_barrier.line && std::string_view(s.file_name()).ends_with(omitted_barrier.file);
}

class BlockRunner;
thread_local BlockRunner* current = nullptr;

class BlockRunner {
 public:
  ~BlockRunner() {
    for (auto& f : fibers_) {
#if defined(PERTURBINE_EMULATOR_TSAN)
      __tsan_destroy_fiber(f->sanitizer);  // there is room for some 8000 in a process
#endif
      unmap_stack(f->stack);
    }
  }

  // `first`: the first block of the cluster.
  void run(Kernel kernel, uint3 first, unsigned cluster, std::size_t shared_bytes) {
    current = this;
    kernel_ = kernel;
    first_block_ = first;
    block_threads_ = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
    threads_ = block_threads_ * static_cast<int>(cluster);
    warps_per_block_ = (block_threads_ + 31) / 32;
    const auto n = static_cast<std::size_t>(threads_);
    started_ = exited_ = 0;
    // Fresh, exactly sized and poisoned: ASan sees overruns, NaNs show reads before writes.
    shared_.resize(cluster);
    barriers_.resize(cluster);
    for (unsigned r = 0; r < cluster; ++r) {
      shared_[r].reset(static_cast<char*>(::operator new (shared_bytes != 0 ? shared_bytes : 1, std::align_val_t{16})));
      std::memset(shared_[r].get(), 0xff, shared_bytes);
      barriers_[r].reset(block_threads_);
    }
    shared_bytes_ = shared_bytes;
    cluster_barrier_.reset(threads_);
    const std::size_t warps = static_cast<std::size_t>(warps_per_block_) * cluster;
    if (warps_.size() < warps) warps_.resize(warps);
    for (Warp& w : warps_)
      for (Meeting& m : w.meetings) m.mask = m.arrived = m.unread = 0;
    random_.seed(settings().seed + first.x * 7919u + first.y * 104729u);
    while (fibers_.size() < (one_thread_per_fiber ? n : 1)) make_fiber();
    idle_.clear();
    idle_.reserve(n + fibers_.size());
    for (auto& f : fibers_) idle_.push_back(f.get());
    for (FiberQueue* q : {&met_, &ready_})
      if (q->ring.size() < n) q->ring.resize(n);
    release(&entered_);
    switch_to(next());
    acquire(&left_);
  }

  void synchronise_block(Site site) {
    meet(barriers_[static_cast<std::size_t>(running_->rank)], "__syncthreads at different places", site);
  }
  void synchronise_cluster(Site site) { meet(cluster_barrier_, "barriers of a cluster at different places", site); }

  unsigned exchange(unsigned mask, std::uint64_t value, int from, std::uint64_t* out, Site site) {
    Fiber* me = running_;
    const int lane = me->linear & 31;
    if ((mask >> lane & 1) == 0) fail("a lane calls a collective whose mask leaves it out", site, site);
    const int present = block_threads_ - (me->linear & ~31);  // lanes of the last, partial warp
    if (present < 32) mask &= (1u << present) - 1;
    Meeting& m = meeting(warps_[static_cast<std::size_t>(me->rank * warps_per_block_ + me->linear / 32)], mask);
    const int p = m.parity;
    m.slot[p][lane] = value;
    m.arrived |= 1u << lane;
    release(&m.token[p]);
    if (m.arrived == mask) {
      m.arrived = 0;
      m.unread = mask;
      m.parity ^= 1;
      for (unsigned rest = mask & ~(1u << lane); rest != 0; rest &= rest - 1)
        make_ready(met_, m.waiter[std::countr_zero(rest)]);
    } else {
      m.waiter[lane] = me;
      me->site = site;
      me->state = State::in_warp;
      yield();
    }
    acquire(&m.token[p]);
    unsigned nonzero = 0;
    if (from >= 0) {
      *out = m.slot[p][from];
    } else {
      for (unsigned rest = mask; rest != 0; rest &= rest - 1)
        if (m.slot[p][std::countr_zero(rest)] != 0) nonzero |= rest & -rest;
    }
    m.unread &= ~(1u << lane);
    return nonzero;
  }

  void* shared() { return shared_[static_cast<std::size_t>(running_->rank)].get(); }
  // The same place in another block's shared memory.
  void* shared_of(const void* mine, unsigned rank) {
    const char* p = static_cast<const char*>(mine);
    const char* begin = static_cast<const char*>(shared());
    if (rank < shared_.size() && shared_[rank] == nullptr) fail("shared memory of a block that has ended", {}, {});
    if (rank >= shared_.size() || p < begin || p >= begin + shared_bytes_)
      fail("no such place in a cluster's dynamic shared memory", {}, {});
    return shared_[rank].get() + (p - begin);
  }
  unsigned rank() const { return static_cast<unsigned>(running_->rank); }
  int lane() const { return running_->linear & 31; }

 private:
  struct Free {
    void operator()(char* p) const { ::operator delete (p, std::align_val_t{16}); }
  };

  Meeting& meeting(Warp& w, unsigned mask) {
    for (Meeting& m : w.meetings)
      if (m.mask == mask) return m;
    for (Meeting& m : w.meetings)
      if (m.arrived == 0 && m.unread == 0) {
        m.mask = mask;
        return m;
      }
    fail("more than 8 live masks in one warp", {}, {});
  }

  void make_ready(FiberQueue& q, Fiber* f) {
    f->state = State::ready;
    q.push(f);
  }

  void meet(Barrier& b, const char* different, Site site) {
    if (is_omitted(site)) return;
    Fiber* me = running_;
    if (!b.arrived.empty() &&
        (b.arrived[0]->site.line() != site.line() || b.arrived[0]->site.column() != site.column()))
      fail(different, b.arrived[0]->site, site);
    char* token = &b.token[b.parity];
    release(token);
    if (++b.waiting == b.threads - b.exited) {
      open(b);
    } else {
      me->site = site;
      me->state = State::at_barrier;
      b.arrived.push_back(me);
      yield();
    }
    acquire(token);
  }

  void open(Barrier& b) {
    b.waiting = 0;
    for (Fiber* f : b.arrived) make_ready(ready_, f);
    b.arrived.clear();
    b.parity ^= 1;
  }

  // A warp that has just met goes on before any other thread: its 32 stacks stay in the L1 cache.
  Fiber* next() {
    const bool fresh = started_ < threads_;
    if (settings().order == Order::random) {
      const std::size_t met = met_.count, ready = ready_.count, choices = met + ready + (fresh ? 1 : 0);
      const std::size_t pick = choices != 0 ? random_() % choices : 0;
      if (pick < met) return met_.pop_at(pick);
      if (pick < met + ready) return ready_.pop_at(pick - met);
    } else {
      const bool back = settings().order == Order::reverse;
      for (FiberQueue* q : {&met_, &ready_})
        if (q->count != 0) return back ? q->pop_back() : q->pop();
    }
    if (!fresh) deadlock();
    return idle();
  }

  Fiber* idle() {
    if (idle_.empty()) return make_fiber();
    Fiber* f = idle_.back();
    idle_.pop_back();
    return f;
  }

  Fiber* make_fiber() {
    auto f = std::make_unique<Fiber>();
    f->stack = map_stack(&f->lowest);
    f->stack_pointer = initial_stack_pointer(f->stack, fibers_.size() % 32 * 320, &BlockRunner::entry);
#if defined(PERTURBINE_EMULATOR_TSAN)
    f->sanitizer = __tsan_create_fiber(0);
#endif
    fibers_.push_back(std::move(f));
    return fibers_.back().get();
  }

  // A fiber runs CUDA threads one after another until one of them has to wait.
  static void entry() {
    after_switch(nullptr);
    BlockRunner& b = *current;
    for (;;) {
      do {
        b.start(b.running_);
        b.kernel_.call(b.kernel_.closure);
        b.finish();
      } while (!one_thread_per_fiber && b.started_ < b.threads_);
      b.running_->state = State::idle;
      if (!one_thread_per_fiber) b.idle_.push_back(b.running_);
      b.yield();
    }
  }

  void start(Fiber* f) {
    const int i = started_++, l = settings().order == Order::reverse ? threads_ - 1 - i : i;
    f->rank = l / block_threads_;
    f->linear = l % block_threads_;
    const auto u = static_cast<unsigned>(f->linear);
    threadIdx = f->thread = {u % blockDim.x, u / blockDim.x % blockDim.y, u / (blockDim.x * blockDim.y)};
    blockIdx = f->block = {first_block_.x + static_cast<unsigned>(f->rank), first_block_.y, first_block_.z};
    acquire(&entered_);
  }

  void finish() {
    release(&left_);
    ++exited_;
    for (Barrier* b : {&barriers_[static_cast<std::size_t>(running_->rank)], &cluster_barrier_}) {
      ++b->exited;
      if (b->waiting != 0 && b->waiting == b->threads - b->exited) open(*b);
    }
    // What a block of a cluster shared is gone when it ends.
    if (threads_ != block_threads_ && barriers_[static_cast<std::size_t>(running_->rank)].exited == block_threads_)
      shared_[static_cast<std::size_t>(running_->rank)].reset();
  }

  // Leaves the running context for `f`, or for the caller of run() if there is none.
  void switch_to(Fiber* f) {
    Fiber* me = running_;
    if (f == me) return;
    running_ = f;
    if (f != nullptr) threadIdx = f->thread, blockIdx = f->block;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(me != nullptr ? &me->sanitizer : &main_fake_stack_,
                                   f != nullptr ? f->lowest : main_bottom_, f != nullptr ? stack_bytes : main_size_);
#endif
#if defined(PERTURBINE_EMULATOR_TSAN)
    if (me == nullptr) main_tsan_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(f != nullptr ? f->sanitizer : main_tsan_, __tsan_switch_to_fiber_no_sync);
#endif
    perturbine_emulator_switch(me != nullptr ? &me->stack_pointer : &main_stack_pointer_,
                               f != nullptr ? f->stack_pointer : main_stack_pointer_);
    after_switch(me);
  }
  void yield() {
    Fiber* f = exited_ == threads_ ? nullptr : next();
    release(&left_);  // what this fiber did is over before run() returns
    switch_to(f);
  }

  static void after_switch([[maybe_unused]] Fiber* me) {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom;
    std::size_t size;
    __sanitizer_finish_switch_fiber(
        me != nullptr ? me->sanitizer : (current->running_ != nullptr ? nullptr : current->main_fake_stack_), &bottom,
        &size);
    if (current->main_bottom_ == nullptr) {
      current->main_bottom_ = bottom;
      current->main_size_ = size;
    }
#endif
  }

#if defined(PERTURBINE_EMULATOR_TSAN)
  static constexpr bool one_thread_per_fiber = true;
  static void release(void* p) { __tsan_release(p); }
  static void acquire(void* p) { __tsan_acquire(p); }
#else
  static constexpr bool one_thread_per_fiber = false;
  static void release(void*) {}
  static void acquire(void*) {}
#endif

  [[noreturn]] void fail(const char* what, Site a, Site b) {
    std::fprintf(stderr, "emulator: %s: block (%u,%u,%u) thread (%u,%u,%u), %s:%u and line %u\n", what, blockIdx.x,
                 blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z, a.file_name(), a.line(), b.line());
    std::abort();
  }

  [[noreturn]] void deadlock() {
    int at = 0, warp = 0;
    Site s{};
    for (auto& f : fibers_) {
      at += f->state == State::at_barrier;
      warp += f->state == State::in_warp;
      if (f->state == State::at_barrier || f->state == State::in_warp) s = f->site;
    }
    std::fprintf(
        stderr,
        "emulator: deadlock in block (%u,%u,%u): %d threads at __syncthreads, %d in a warp collective, %d exited; "
        "one waits at %s:%u\n",
        blockIdx.x, blockIdx.y, blockIdx.z, at, warp, exited_, s.file_name(), s.line());
    std::abort();
  }

  Kernel kernel_{};
  char entered_ = 0, left_ = 0;
  uint3 first_block_{};
  int block_threads_ = 0, warps_per_block_ = 0;
  int threads_ = 0, started_ = 0, exited_ = 0;  // of the whole cluster
  Fiber* running_ = nullptr;
  void* main_stack_pointer_ = nullptr;
  [[maybe_unused]] void* main_fake_stack_ = nullptr;
  [[maybe_unused]] void* main_tsan_ = nullptr;
  [[maybe_unused]] const void* main_bottom_ = nullptr;
  [[maybe_unused]] std::size_t main_size_ = 0;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  std::vector<Barrier> barriers_;  // of each block
  Barrier cluster_barrier_;
  FiberQueue met_, ready_;
  std::vector<Warp> warps_;
  std::vector<std::unique_ptr<char, Free>> shared_;  // of each block
  std::size_t shared_bytes_ = 0;
  std::minstd_rand random_;
};

thread_local BlockRunner runner;

}  // namespace

Settings& settings() {
  static Settings s;
  return s;
}
void* dynamic_shared_bytes() { return current->shared(); }
void synchronise_block(Site s) { current->synchronise_block(s); }
void synchronise_cluster(Site s) { current->synchronise_cluster(s); }
void* shared_of_block(const void* mine, unsigned rank) { return current->shared_of(mine, rank); }
unsigned rank_in_cluster() { return current->rank(); }
void synchronise_warp(unsigned mask, Site s) {
  if (!is_omitted(s)) current->exchange(mask, 0, -1, nullptr, s);
}
unsigned exchange(unsigned m, std::uint64_t v, int from, std::uint64_t* out, Site s) {
  return current->exchange(m, v, from, out, s);
}
int lane() { return current->lane(); }

void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, Kernel kernel, unsigned cluster) {
  const std::uint64_t clusters = std::uint64_t{grid.x / cluster} * grid.y * grid.z, across = grid.x / cluster;
  std::atomic<std::uint64_t> next{0};
  auto work = [&] {
    gridDim = grid;
    blockDim = block;
    for (std::uint64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < clusters;) {
      const std::uint64_t b = settings().order == Order::reverse ? clusters - 1 - i : i;
      const uint3 first{static_cast<unsigned>(b % across * cluster), static_cast<unsigned>(b / across % grid.y),
                        static_cast<unsigned>(b / (across * grid.y))};
      runner.run(kernel, first, cluster, shared_bytes);
    }
  };
  std::vector<std::thread> pool;
  for (int w = 1; w < settings().workers && static_cast<std::uint64_t>(w) < clusters; ++w) pool.emplace_back(work);
  work();
  for (std::thread& t : pool) t.join();
}

}  // namespace perturbine::emulator
