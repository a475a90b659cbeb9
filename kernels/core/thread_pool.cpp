#include "kernels/core/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
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

// One parallel call. Workers hold it by shared_ptr: one that wakes late finds no task left and touches nothing else.
struct Job {
  const std::function<void(std::size_t)>* task = nullptr;
  std::size_t count = 0;
  std::atomic<std::size_t> next{0}, done{0};
  std::mutex failure_mutex;
  std::exception_ptr failure;

  void work() {
    inside_task = true;
    for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      try {
        (*task)(i);
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
      }
      done.fetch_add(1, std::memory_order_acq_rel);
    }
    inside_task = false;
  }
  bool finished() const { return done.load(std::memory_order_acquire) == count; }
};

}  // namespace

struct ThreadPool::State {
  std::mutex mutex, caller;
  std::condition_variable wake;
  std::shared_ptr<Job> job;
  std::atomic<std::uint64_t> generation{0};
  bool stop = false;
  std::vector<std::thread> workers;

  void loop() {
    std::uint64_t seen = 0;
    for (;;) {
      // Operations of a step follow one another within microseconds: spin briefly before sleeping.
      for (int spin = 0; spin < 2000 && generation.load(std::memory_order_acquire) == seen; ++spin) pause();
      std::shared_ptr<Job> mine;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stop || generation.load(std::memory_order_relaxed) != seen; });
        if (stop) return;
        seen = generation.load(std::memory_order_relaxed);
        mine = job;
      }
      if (mine) mine->work();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  if (threads <= 0) threads = static_cast<int>(std::thread::hardware_concurrency());
  for (int i = 1; i < threads; ++i) state_->workers.emplace_back([state = state_.get()] { state->loop(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
    state_->generation.fetch_add(1, std::memory_order_release);
  }
  state_->wake.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(std::size_t count, const std::function<void(std::size_t)>& task) {
  if (count == 0) return;
  if (inside_task || state_->workers.empty() || count == 1) {
    for (std::size_t i = 0; i < count; ++i) task(i);
    return;
  }
  const std::lock_guard one_caller(state_->caller);
  auto job = std::make_shared<Job>();
  job->task = &task;
  job->count = count;
  {
    const std::lock_guard lock(state_->mutex);
    state_->job = job;
    state_->generation.fetch_add(1, std::memory_order_release);
  }
  state_->wake.notify_all();
  job->work();
  while (!job->finished()) std::this_thread::yield();
  {
    const std::lock_guard lock(state_->mutex);
    state_->job.reset();
  }
  if (job->failure) std::rethrow_exception(job->failure);
}

}  // namespace perturbine
