// Graphs and branches of the emulated module: what they repeat, in which order, and what they refuse.
#include <gtest/gtest.h>

#include "kernels/core/queue.h"
#include "kernels/emulator/install.h"
#include "kernels/pointwise/pointwise.h"

namespace perturbine {
namespace {

struct Numbers {
  explicit Numbers(Queue& queue) : memory(queue.allocate(sizeof(std::int32_t) * 4)) {
    const std::int32_t zeros[4] = {};
    queue.copy(memory.get(), zeros, sizeof zeros);
  }
  VectorView<std::int32_t> slice(std::size_t first, std::size_t count) const {
    return {static_cast<std::int32_t*>(memory.get()) + first, count};
  }
  std::shared_ptr<void> memory;
};

TEST(Graph, RepeatsWorkAtTheSameAddresses) {
  install_emulator();
  Queue queue(Device::emulated, {.threads = 1});
  const Numbers a(queue);
  int host_calls = 0;
  const CapturedWork work = queue.capture([&] {
    ++host_calls;
    queue.run(Advance<std::int32_t>{a.slice(0, 1)});
  });
  EXPECT_EQ(a.slice(0, 1)[0], 1);  // run once; capturing it ran nothing
  EXPECT_EQ(host_calls, 2);
  work.run(), work.run();
  EXPECT_EQ(a.slice(0, 1)[0], 3);
  EXPECT_EQ(host_calls, 2);
}

TEST(Graph, RefusesWhatAGpuRefuses) {
  install_emulator();
  Queue queue(Device::emulated, {.threads = 1});
  const Numbers a(queue);
  std::shared_ptr<void> kept;
  EXPECT_THROW(queue.capture([&] { kept = queue.allocate(8); }), Error);
  EXPECT_THROW(queue.capture([&] { queue.synchronise(); }), Error);
  const std::int32_t one = 0;
  EXPECT_THROW(queue.capture([&] { queue.upload(a.memory.get(), &one, sizeof one); }), Error);
  EXPECT_THROW(queue.capture([&, times = 0]() mutable {
    if (++times == 2) throw Error("in the second run");
  }),
               Error);
  const CapturedWork work = queue.capture([&] { queue.run(Advance<std::int32_t>{a.slice(0, 1)}); });
  work.run();
  EXPECT_EQ(a.slice(0, 1)[0], 2);  // usable after each
}

TEST(Branches, RunBesideEachOther) {
  install_emulator();
  for (const Device device : {Device::cpu, Device::emulated}) {
    Queue queue(device, {.threads = 1});
    const Numbers a(queue);
    const auto both = [&] {
      queue.beside([&] { queue.run(Advance<std::int32_t>{a.slice(0, 2)}); },
                   [&] { queue.run(Advance<std::int32_t>{a.slice(2, 2)}); });
      queue.run(Advance<std::int32_t>{a.slice(1, 2)});
    };
    const CapturedWork work = queue.capture(both);
    work.run();
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(a.slice(0, 4)[i], i == 1 || i == 2 ? 4 : 2) << i;
  }
}

TEST(Branches, ThatShareWrittenMemoryAreRefusedOnEveryDevice) {
  install_emulator();
  for (const Device device : {Device::cpu, Device::emulated}) {
    Queue queue(device, {.threads = 1});
    const Numbers a(queue);
    const auto advance = [&](std::size_t first) { queue.run(Advance<std::int32_t>{a.slice(first, 2)}); };
    EXPECT_THROW(queue.beside([&] { advance(0); }, [&] { advance(1); }), Error);
    EXPECT_THROW(queue.beside([&] { advance(0); }, [&] { queue.beside([] {}, [] {}); }), Error);
    EXPECT_THROW(queue.beside([&] { queue.copy(a.memory.get(), a.memory.get(), 4); }, [] {}), Error);
    EXPECT_NO_THROW(queue.beside([&] { advance(0); }, [&] { advance(2); }));
  }
}

}  // namespace
}  // namespace perturbine
