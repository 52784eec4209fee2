// CUDA graphs and a GPU's memory, which libtorch has in C++ alone, as C functions for cuda.rs.
//
// Each returns null, or a text that says what went wrong and lives until the thread's next call. No exception leaves them.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;
using c10::cuda::CUDAStream;

thread_local std::string wrong;

template <class Call>
const char* guarded(Call call) noexcept {
  try {
    call();
    return nullptr;
  } catch (const std::exception& error) {
    wrong = error.what();
  } catch (...) {
    wrong = "an error without a text";
  }
  return wrong.c_str();
}

// A graph, and the stream that it is recorded on: libtorch does not record on the default one.
struct Recording {
  c10::DeviceIndex device;
  CUDAStream before;
  CUDAStream stream;
  // Asked for before the recording: a graph whose recording failed does not tell its own.
  c10::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
  std::unique_ptr<at::cuda::CUDAGraph> graph;

  explicit Recording(c10::DeviceIndex index)
      : device(index),
        before(c10::cuda::getCurrentCUDAStream(index)),
        stream(c10::cuda::getStreamFromPool(false, index)) {}
};

Recording* of(void* handle) {
  return static_cast<Recording*>(handle);
}

}  // namespace

extern "C" {

// Makes a stream of its own current. Work until noisebook_graph_record warms it up: cuBLAS and cuDNN make their workspaces.
const char* noisebook_graph_start(int device, void** out) {
  return guarded([&] {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
    auto made = std::make_unique<Recording>(static_cast<c10::DeviceIndex>(device));
    c10::cuda::device_synchronize();
    c10::cuda::setCurrentCUDAStream(made->stream);
    *out = made.release();
  });
}

// From here on work is written down and not done.
const char* noisebook_graph_record(void* handle) {
  return guarded([&] {
    const c10::cuda::CUDAGuard guard(of(handle)->device);
    c10::cuda::device_synchronize();
    of(handle)->graph = std::make_unique<at::cuda::CUDAGraph>();
    of(handle)->graph->capture_begin(of(handle)->pool);
  });
}

// Ends what was recorded, if anything was, and makes the stream of before current again.
const char* noisebook_graph_finish(void* handle) {
  auto* recording = of(handle);
  const auto end = [&] {
    const c10::cuda::CUDAGuard guard(recording->device);
    recording->graph->capture_end();
  };
  const bool failed = recording->graph != nullptr && guarded(end) != nullptr;
  const std::string first = failed ? wrong : std::string();
  if (failed) {
    // What capture_end leaves undone where it throws: memory would go on to come from the graph's pool.
    guarded([&] { allocator::endAllocateToPool(recording->device, recording->pool); });
    // Never destroyed: the allocators may still ask it whether a stream is being recorded.
    static_cast<void>(recording->graph.release());
    C10_CUDA_CLEAR_ERROR();
  }
  const char* restored = guarded([&] {
    const c10::cuda::CUDAGuard guard(recording->device);
    c10::cuda::setCurrentCUDAStream(recording->before);
    c10::cuda::device_synchronize();
  });
  return failed ? (wrong = first).c_str() : restored;
}

// Launches all that was recorded on the current stream.
const char* noisebook_graph_replay(void* handle) {
  return guarded([&] {
    const c10::cuda::CUDAGuard guard(of(handle)->device);
    of(handle)->graph->replay();
  });
}

void noisebook_graph_free(void* handle) {
  guarded([&] { delete of(handle); });
}

// What a process remembers of graphs: each cell of a notebook has its own copy of the crate's statics, and this library is there once.
// Whether they are used; how many were recorded, replayed, refused.
std::atomic<uint64_t>* noisebook_graph_counts() {
  static std::atomic<uint64_t> counts[4] = {{1}, {0}, {0}, {0}};
  return counts;
}

// Why the newest was refused; sets it unless null.
const char* noisebook_graph_refusal(const char* reason) {
  static std::mutex mutex;
  static std::string newest;
  const std::lock_guard<std::mutex> lock(mutex);
  if (reason != nullptr) {
    newest = reason;
  }
  return (wrong = newest).c_str();
}

// Bytes of tensors now, the most that there ever were, and what is held of the GPU for them.
const char* noisebook_gpu_memory(int device, uint64_t* out) {
  return guarded([&] {
    const auto stats = allocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
    const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    out[0] = static_cast<uint64_t>(stats.allocated_bytes[all].current);
    out[1] = static_cast<uint64_t>(stats.allocated_bytes[all].peak);
    out[2] = static_cast<uint64_t>(stats.reserved_bytes[all].current);
  });
}

}  // extern "C"
