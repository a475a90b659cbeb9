// A pool of worker threads that runs numbered tasks. Which thread takes which task is open; what a task computes may
// depend on its number alone, so that results have the same bits for any number of threads.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>

namespace perturbine {

class ThreadPool {
 public:
  /// `threads` counts the calling thread; 0 means one per core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  /// Runs task(0) ... task(count - 1), returns when all are done, rethrows the first exception.
  /// A call from inside a task runs its tasks one after another on the calling thread.
  void run(std::size_t count, const std::function<void(std::size_t)>& task);

  /// Cuts [0, count) into pieces of `grain` and calls body(begin, end) for each.
  template <class Body>
  void for_ranges(std::size_t count, std::size_t grain, Body&& body) {
    if (grain == 0) grain = 1;
    const std::size_t pieces = (count + grain - 1) / grain;
    if (pieces <= 1) {
      if (count > 0) body(std::size_t{0}, count);
      return;
    }
    run(pieces, [&](std::size_t i) {
      const std::size_t begin = i * grain;
      body(begin, begin + grain < count ? begin + grain : count);
    });
  }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace perturbine
