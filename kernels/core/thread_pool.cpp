#include "kernels/core/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace perturbine {
namespace {

thread_local bool inside_task = false;

// Tells the core that this is a loop of waiting.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

// A parallel call is handed over through one number, the ticket: which call it is (upper half) and how many of its
// tasks nobody has taken (lower half). Whoever lowers it has taken a task, and the call does not end before that task
// does; a worker that comes late finds nothing left, or the next call. Nothing is allocated, and nothing locked unless
// a worker sleeps.
struct ThreadPool::State {
  std::atomic<std::uint64_t> ticket{0};
  // Of the call in the ticket; to be read by who has taken a task.
  const std::function<void(std::size_t)>* task = nullptr;
  std::size_t count = 0;
  alignas(64) std::atomic<std::size_t> done{0};

  std::mutex caller, failure_mutex;
  std::exception_ptr failure;

  std::mutex sleep;
  std::condition_variable wake;
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;

  static std::uint64_t call_of(std::uint64_t ticket) { return ticket >> 32; }
  static std::size_t left_in(std::uint64_t ticket) { return ticket & 0xffffffffu; }

  /// Takes tasks until none is left; returns the call they were of.
  std::uint64_t work() {
    inside_task = true;
    std::uint64_t seen = ticket.load(std::memory_order_acquire);
    while (left_in(seen) > 0) {
      if (!ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      try {
        (*task)(count - left_in(seen));
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
      }
      done.fetch_add(1, std::memory_order_acq_rel);
      seen = ticket.load(std::memory_order_acquire);
    }
    inside_task = false;
    return call_of(seen);
  }

  void loop() {
    std::uint64_t seen = 0;
    auto waiting = [&] { return call_of(ticket.load(std::memory_order_acquire)) == seen && !stop.load(); };
    for (;;) {
      // Operations of a step follow one another within microseconds: spin briefly before sleeping.
      for (int spin = 0; spin < 2000 && waiting(); ++spin) pause();
      if (waiting()) {
        std::unique_lock lock(sleep);
        ++sleepers;  // before the ticket is looked at again; the caller looks at it after moving the ticket
        wake.wait(lock, [&] { return call_of(ticket.load()) != seen || stop.load(); });
        --sleepers;
      }
      if (stop.load()) return;
      seen = work();
    }
  }
  void wake_sleepers() {
    if (sleepers.load() == 0) return;
    const std::lock_guard lock(sleep);
    wake.notify_all();
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  if (threads <= 0) threads = static_cast<int>(std::thread::hardware_concurrency());
  for (int i = 1; i < threads; ++i) state_->workers.emplace_back([state = state_.get()] { state->loop(); });
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true);
  state_->wake_sleepers();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(std::size_t count, const std::function<void(std::size_t)>& task) {
  if (count == 0) return;
  if (inside_task || state_->workers.empty() || count == 1) {
    for (std::size_t i = 0; i < count; ++i) task(i);
    return;
  }
  State& state = *state_;
  const std::lock_guard one_caller(state.caller);
  // The last call's tasks are all done, so that nobody reads these.
  state.task = &task, state.count = count;
  state.done.store(0, std::memory_order_relaxed);
  state.ticket.store((State::call_of(state.ticket.load(std::memory_order_relaxed)) + 1) << 32 | count);
  state.wake_sleepers();
  state.work();
  for (int spin = 0; state.done.load(std::memory_order_acquire) != count; ++spin)
    spin < 200 ? pause() : std::this_thread::yield();
  if (state.failure) std::rethrow_exception(std::exchange(state.failure, nullptr));
}

}  // namespace perturbine
