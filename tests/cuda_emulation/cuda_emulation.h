// CUDA on the CPU, for tests: a kernel's source becomes plain C++ when this header stands before it.
//
// Every CUDA thread of a block is a fibre: a function call with a stack of its own, which can stop in the
// middle and go on later. One fibre runs at a time, until it ends or comes to a place where it waits for
// others: a barrier or an exchange among the threads of a warp. Then the next one runs. So nothing happens at
// the same time, and everything can be looked at:
//
// * The order in which threads and blocks take turns is chosen by the caller. A kernel whose results depend
//   on it lacks a barrier, or adds up floating-point numbers with atomics.
// * Shared memory is filled with the caller's pattern at the start of each block: what is read before it was
//   written depends on the pattern.
// * Threads that wait at different barriers, or for threads that have ended, are found: nobody can run then.
// * Accesses outside arrays hit memory that is forbidden (the caller sees to that). The signal is caught here
//   and becomes a report, with the block, the thread and the place in the code.
//
// What is emulated: indices, static and dynamic shared memory, __syncthreads and its kin, shuffles, votes,
// the atomics, the mathematical functions and the bit operations that kernels use. What is not: timing,
// caches, cooperative grids, textures, inline PTX.

#pragma once

#define CUDA_EMULATION 1

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <type_traits>
#include <utility>

// -----------------------------------------------------------------------------------------------------------
// Words of the language

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __constant__ static
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __grid_constant__
// All static shared memory lies in one section of the library, whose ends the linker knows.
#define __shared__ static __attribute__((section("cuda_shared")))

extern "C" {
extern char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern char __ehdr_start[] __attribute__((visibility("hidden")));  // the start of the library
}

namespace {

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
constexpr int warpSize = 32;

// Vectors, aligned as on the GPU.
#define EMULATED_VECTORS(type, name, align2, align4)                                                       \
    struct alignas(align2) name##2 { type x, y; };                                                         \
    struct name##3 { type x, y, z; };                                                                      \
    struct alignas(align4) name##4 { type x, y, z, w; };                                                   \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                       \
    inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                            \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

EMULATED_VECTORS(float, float, 8, 16)
EMULATED_VECTORS(double, double, 16, 16)
EMULATED_VECTORS(int, int, 8, 16)
#undef EMULATED_VECTORS

struct alignas(8) uint2 {
    unsigned x, y;
};

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// -----------------------------------------------------------------------------------------------------------
// Threads as fibres

namespace emulation {

constexpr int WARP = 32;
constexpr unsigned MOST_THREADS = 1024;
constexpr size_t STACK = 64 * 1024, PAGE = 4096;

// What a launch ended with. Filled in for the caller, who prints it.
struct Report {
    int32_t failed;
    uint32_t block[3], thread[3];
    uint64_t address;       // that was accessed, or 0
    uint64_t code_address;  // of the instruction, relative to the start of the library, or 0
    char message[512];
};

enum class State { READY, AT_BARRIER, AT_EXCHANGE, ENDED };

// What a thread asks of the other threads of its warp, and what it gets.
struct Exchange {
    unsigned mask;
    int line;
    uint64_t value;
    int source;         // the lane whose value it wants
    bool wants_all;     // or the values of all lanes
    uint64_t answer, answers[WARP];
};

struct Thread {
    uint3 index;
    unsigned number;
    State state;
    bool has_fibre;
    jmp_buf place;  // where it goes on
    ucontext_t start;
    char* stack;
    int barrier_line;
    long long barrier_value;
    Exchange exchange;
};

// There is one launch at a time.
struct Machine {
    Thread* threads[MOST_THREADS];
    unsigned made;   // how many of them there are
    unsigned count;  // of threads in a block of this launch
    Thread* current;
    void (*kernel)(void**);
    void** arguments;
    char* dynamic_shared;
    long long barrier_sum, barrier_and, barrier_or;
    jmp_buf scheduler;
    sigjmp_buf rescue;
    Report* report;
    bool is_running;
    struct sigaction before[4];
    char signal_stack[64 * 1024];
};

Machine machine;

inline char* make_stack() {
    // The page below the stack is forbidden, so that endless recursion is found.
    char* memory = static_cast<char*>(
        mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(memory, PAGE, PROT_NONE);
    return memory + PAGE;
}

// What a fibre does: it runs the kernel, again and again, for one thread index of one block after the other.
inline void live() {
    for (;;) {
        machine.kernel(machine.arguments);
        Thread& self = *machine.current;
        self.state = State::ENDED;
        if (_setjmp(self.place) == 0) _longjmp(machine.scheduler, 1);
    }
}

inline void resume(Thread& thread) {
    machine.current = &thread;
    threadIdx = thread.index;
    if (_setjmp(machine.scheduler) != 0) return;
    if (thread.has_fibre) _longjmp(thread.place, 1);
    thread.has_fibre = true;
    getcontext(&thread.start);
    thread.start.uc_stack.ss_sp = thread.stack;
    thread.start.uc_stack.ss_size = STACK;
    thread.start.uc_link = nullptr;
    makecontext(&thread.start, live, 0);
    setcontext(&thread.start);
}

// Called by a thread: lets others run until its state is READY again.
__attribute__((noinline)) void wait(State state) {
    Thread& self = *machine.current;
    self.state = state;
    if (_setjmp(self.place) == 0) _longjmp(machine.scheduler, 1);
}

inline void fail(const Thread& thread, const char* message) {
    Report& report = *machine.report;
    report.failed = 1;
    report.block[0] = blockIdx.x, report.block[1] = blockIdx.y, report.block[2] = blockIdx.z;
    report.thread[0] = thread.index.x, report.thread[1] = thread.index.y, report.thread[2] = thread.index.z;
    snprintf(report.message, sizeof report.message, "%s", message);
    siglongjmp(machine.rescue, 1);
}

// -----------------------------------------------------------------------------------------------------------
// Barriers of a block

__attribute__((noinline)) void barrier(int line, long long value) {
    machine.current->barrier_line = line;
    machine.current->barrier_value = value;
    wait(State::AT_BARRIER);
}

// Lets everybody go on if all threads of the block wait at the same barrier; fails if they can't ever.
inline void open_barrier() {
    char message[400];
    const Thread *waiting = nullptr, *other = nullptr;
    for (unsigned i = 0; i < machine.count; ++i) {
        const Thread& thread = *machine.threads[i];
        if (waiting == nullptr && thread.state == State::AT_BARRIER) waiting = &thread;
    }
    for (unsigned i = 0; i < machine.count; ++i) {
        const Thread& thread = *machine.threads[i];
        if (thread.state == State::AT_EXCHANGE) {
            snprintf(message, sizeof message,
                     "waits in the exchange among a warp at line %d for lanes that never come (mask %08x)",
                     thread.exchange.line, thread.exchange.mask);
            fail(thread, message);
        }
        const bool is_waiting = thread.state == State::AT_BARRIER;
        if (!is_waiting || thread.barrier_line != waiting->barrier_line) other = &thread;
    }
    if (other != nullptr) {
        char place[64] = "has ended";
        if (other->state != State::ENDED) {
            snprintf(place, sizeof place, "waits at line %d", other->barrier_line);
        }
        snprintf(message, sizeof message,
                 "divergent barrier: waits in __syncthreads at line %d, but thread (%u, %u, %u) %s",
                 waiting->barrier_line, other->index.x, other->index.y, other->index.z, place);
        fail(*waiting, message);
    }
    machine.barrier_sum = 0, machine.barrier_and = 1, machine.barrier_or = 0;
    for (unsigned i = 0; i < machine.count; ++i) {
        Thread& thread = *machine.threads[i];
        const bool value = thread.barrier_value != 0;
        machine.barrier_sum += value, machine.barrier_and &= value, machine.barrier_or |= value;
        thread.state = State::READY;
    }
}

// -----------------------------------------------------------------------------------------------------------
// Exchanges among a warp

inline Thread* lane_of(const Thread& self, int lane) {
    const unsigned number = self.number / WARP * WARP + lane;
    return number < machine.count ? machine.threads[number] : nullptr;
}

// Lane `source` of those in the mask; the result is in the thread's `answer` or `answers`. The last lane to
// come answers all, so that nobody can overwrite a value that others still want.
__attribute__((noinline)) Exchange& exchange(
    unsigned mask, int line, uint64_t value, int source, bool wants_all
) {
    Thread& self = *machine.current;
    Exchange& mine = self.exchange;
    mine.mask = mask, mine.line = line, mine.value = value, mine.source = source, mine.wants_all = wants_all;
    if (!(mask >> self.number % WARP & 1)) {
        fail(self, "exchanges values in a warp with a mask without itself");
    }
    for (int lane = 0; lane < WARP; ++lane) {
        if (!(mask >> lane & 1)) continue;
        const Thread* thread = lane_of(self, lane);
        if (thread == nullptr || thread->state == State::ENDED) {
            fail(self, "exchanges values with lanes of its warp that don't exist or have ended");
        }
        const Exchange& other = thread->exchange;
        const bool is_waiting = thread->state == State::AT_EXCHANGE;
        if (thread != &self && !(is_waiting && other.line == line && other.mask == mask)) {
            wait(State::AT_EXCHANGE);
            return mine;
        }
    }
    for (int lane = 0; lane < WARP; ++lane) {
        if (!(mask >> lane & 1)) continue;
        Thread& thread = *lane_of(self, lane);
        Exchange& one = thread.exchange;
        if (!(mask >> one.source & 1)) fail(thread, "reads from a lane of its warp that is not in the mask");
        one.answer = lane_of(self, one.source)->exchange.value;
        for (int other = 0; one.wants_all && other < WARP; ++other) {
            one.answers[other] = mask >> other & 1 ? lane_of(self, other)->exchange.value : 0;
        }
        thread.state = State::READY;
    }
    return mine;
}

inline int own_lane() { return machine.current->number % WARP; }

template <class T>
T shuffle(unsigned mask, int line, T value, int source) {
    static_assert(sizeof(T) <= 8, "what is shuffled has 8 bytes at most");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = exchange(mask, line, bits, source, false).answer;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// The values of all lanes; 0 for those outside the mask. For emulating what has no function here.
template <class T>
void gather(unsigned mask, int line, T value, T (&all)[WARP]) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    const Exchange& answer = exchange(mask, line, bits, own_lane(), true);
    for (int lane = 0; lane < WARP; ++lane) memcpy(&all[lane], &answer.answers[lane], sizeof value);
}

inline unsigned ballot(unsigned mask, int line, bool predicate) {
    int all[WARP];
    gather<int>(mask, line, predicate, all);
    unsigned votes = 0;
    for (int lane = 0; lane < WARP; ++lane) votes |= unsigned(all[lane] != 0) << lane;
    return votes & mask;
}

// Where a shuffle with a width reads: lanes outside the group of `width` lanes keep their own value.
inline int in_group(int lane, int source, int width) {
    const int first = lane / width * width;
    return source < first || source >= first + width ? lane : source;
}

template <class T, class Operation>
T reduce(unsigned mask, int line, T value, Operation operation) {
    T all[WARP];
    gather(mask, line, value, all);
    bool is_first = true;
    T result = value;
    for (int lane = 0; lane < WARP; ++lane) {
        if (!(mask >> lane & 1)) continue;
        result = is_first ? all[lane] : operation(result, all[lane]);
        is_first = false;
    }
    return result;
}

template <class T>
T* dynamic_shared() {
    return reinterpret_cast<T*>(machine.dynamic_shared);
}

// -----------------------------------------------------------------------------------------------------------
// Numbers of 16 bits

inline float half_value(uint16_t bits) {
    const uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3FF;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                     : exponent == 0 ? ldexpf(fraction, -24)
                                     : ldexpf(fraction | 0x400, int(exponent) - 25);
    return sign ? -size : size;
}

// Rounds to the nearest, and to the even one of two that are equally near.
inline uint16_t half_bits(float value) {
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const float size = fabsf(value);
    if (isnan(value)) return sign | 0x7E00;
    if (size >= 65520) return sign | 0x7C00;
    if (size < ldexpf(1, -14)) return sign | uint16_t(nearbyintf(ldexpf(size, 24)));
    int exponent;
    const float fraction = frexpf(size, &exponent);  // from 0.5 to 1
    return sign | uint16_t(((exponent + 13) << 10) + int(nearbyintf(ldexpf(fraction, 11))));
}

inline float bfloat_value(uint16_t bits) {
    const uint32_t wide = uint32_t(bits) << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

inline uint16_t bfloat_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof value);
    if (isnan(value)) return uint16_t(bits >> 16 | 0x40);
    return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// -----------------------------------------------------------------------------------------------------------
// Running blocks

// The first two let one warp after the other run as far as it can, the last all threads side by side.
enum Order { ASCENDING, DESCENDING, SHUFFLED };

// The numbers below `count` in some order. The memory is freed with the next call for the same `list`.
inline const uint32_t* make_order(uint32_t*& list, size_t count, int order) {
    list = static_cast<uint32_t*>(realloc(list, count * sizeof(uint32_t)));
    for (size_t i = 0; i < count; ++i) list[i] = order == DESCENDING ? count - 1 - i : i;
    uint64_t random = 12345;
    for (size_t i = count; order == SHUFFLED && i > 1; --i) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const size_t other = (random >> 33) % i;
        const uint32_t kept = list[i - 1];
        list[i - 1] = list[other], list[other] = kept;
    }
    return list;
}

// Gives a turn to each of those that are ready among some threads. Returns whether there were any.
inline bool run_once(const uint32_t* order, unsigned count) {
    bool has_run = false;
    for (unsigned i = 0; i < count; ++i) {
        Thread& thread = *machine.threads[order[i]];
        if (thread.state == State::READY) resume(thread), has_run = true;
    }
    return has_run;
}

// Runs the threads of a block to their ends. So many as `together` go on until none of them can before the
// next have a turn: with 32, each warp runs as far ahead of the others as it can get.
inline void run_block(
    const uint32_t* order, unsigned together, unsigned char pattern, size_t shared_bytes
) {
    if (__start_cuda_shared != nullptr) {
        memset(__start_cuda_shared, pattern, __stop_cuda_shared - __start_cuda_shared);
    }
    if (shared_bytes != 0) memset(machine.dynamic_shared, pattern, shared_bytes);
    for (unsigned i = 0; i < machine.count; ++i) machine.threads[i]->state = State::READY;
    for (;;) {
        bool has_run = false, is_over = true;
        for (unsigned first = 0; first < machine.count; first += together) {
            const unsigned left = machine.count - first;
            while (run_once(order + first, left < together ? left : together)) has_run = true;
        }
        for (unsigned i = 0; i < machine.count; ++i) is_over &= machine.threads[i]->state == State::ENDED;
        if (is_over) return;
        if (!has_run) open_barrier();
    }
}

inline void prepare_threads() {
    machine.count = blockDim.x * blockDim.y * blockDim.z;
    for (; machine.made < machine.count; ++machine.made) {
        Thread* thread = new Thread();
        thread->stack = make_stack();
        machine.threads[machine.made] = thread;
    }
    for (unsigned i = 0; i < machine.count; ++i) {
        Thread& thread = *machine.threads[i];
        thread.number = i;
        thread.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    }
}

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};

inline void on_signal(int number, siginfo_t* information, void* context) {
    for (int i = 0; i < 4; ++i) {
        if (!machine.is_running && SIGNALS[i] == number) {  // it comes from elsewhere, and is none of ours
            sigaction(number, &machine.before[i], nullptr);
            return;
        }
    }
    uint64_t& code = machine.report->code_address;
#if defined(__x86_64__)
    code = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    code = static_cast<ucontext_t*>(context)->uc_mcontext.pc;
#endif
    code -= code == 0 ? 0 : reinterpret_cast<uint64_t>(__ehdr_start);
    char message[200];
    if (number == SIGILL) {
        snprintf(message, sizeof message, "index outside an array of fixed size, or overflow of an integer");
    } else if (number == SIGFPE) {
        snprintf(message, sizeof message, "division of an integer by 0");
    } else {
        machine.report->address = reinterpret_cast<uint64_t>(information->si_addr);
        snprintf(message, sizeof message, "access to forbidden or misaligned memory");
    }
    fail(*machine.current, message);
}

inline void watch_signals(bool on) {
    machine.is_running = on;
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (int i = 0; i < 4; ++i) {
        if (on) sigaction(SIGNALS[i], &action, &machine.before[i]);
        else sigaction(SIGNALS[i], &machine.before[i], nullptr);
    }
}

// Runs a kernel for a whole grid; the entry points that the loader appends to the source call this.
inline void run(void (*kernel)(void**), void** arguments, const uint32_t* grid, const uint32_t* block,
                char* dynamic_shared, size_t shared_bytes, int order, int pattern, Report* report) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    machine.kernel = kernel, machine.arguments = arguments, machine.report = report;
    machine.dynamic_shared = dynamic_shared;
    prepare_threads();
    stack_t own = {}, before;
    own.ss_sp = machine.signal_stack, own.ss_size = sizeof machine.signal_stack;
    sigaltstack(&own, &before);
    watch_signals(true);
    if (sigsetjmp(machine.rescue, 1) == 0) {
        static uint32_t *thread_list, *block_list;
        const size_t blocks = size_t(grid[0]) * grid[1] * grid[2];
        const uint32_t* threads = make_order(thread_list, machine.count, order);
        const uint32_t* numbers = make_order(block_list, blocks, order);
        for (size_t i = 0; i < blocks; ++i) {
            const uint32_t b = numbers[i];
            blockIdx = {b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]};
            run_block(threads, order == SHUFFLED ? machine.count : WARP, pattern, shared_bytes);
        }
    } else {
        // They have stopped anywhere; the next launch begins anew with them.
        for (unsigned i = 0; i < machine.made; ++i) machine.threads[i]->has_fibre = false;
    }
    watch_signals(false);
    sigaltstack(&before, nullptr);
}

// Calls a kernel with the values to which `arguments` point.
template <class... Parameters, size_t... Places>
void call(void (*kernel)(Parameters...), void** arguments, std::index_sequence<Places...>) {
    kernel(*static_cast<std::remove_cv_t<Parameters>*>(arguments[Places])...);
}

template <class... Parameters>
void call(void (*kernel)(Parameters...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<Parameters...>());
}

}  // namespace emulation

// What the loader writes behind the source for every kernel: a function that it can find and call.
#define EMULATED_ENTRY(kernel)                                                                             \
    extern "C" __attribute__((visibility("default"))) void emulate_##kernel(                               \
        void** arguments, const uint32_t* grid, const uint32_t* block, char* dynamic_shared,               \
        size_t shared_bytes, int order, int pattern, emulation::Report* report                             \
    ) {                                                                                                    \
        emulation::run([](void** all) { emulation::call(kernel, all); }, arguments, grid, block,           \
                       dynamic_shared, shared_bytes, order, pattern, report);                              \
    }

// -----------------------------------------------------------------------------------------------------------
// CUDA's functions: synchronisation

#define __syncthreads() emulation::barrier(__LINE__, 0)
#define __syncthreads_count(p) (emulation::barrier(__LINE__, (p) != 0), int(emulation::machine.barrier_sum))
#define __syncthreads_and(p) (emulation::barrier(__LINE__, (p) != 0), int(emulation::machine.barrier_and))
#define __syncthreads_or(p) (emulation::barrier(__LINE__, (p) != 0), int(emulation::machine.barrier_or))

inline void emulated_syncwarp(int line, unsigned mask = 0xFFFFFFFFu) {
    emulation::exchange(mask, line, 0, emulation::own_lane(), false);
}

#define __syncwarp(...) emulated_syncwarp(__LINE__, ##__VA_ARGS__)

template <class T>
T emulated_shuffle(int line, unsigned mask, T value, int lane, int width = 32) {
    const int self = emulation::own_lane();
    return emulation::shuffle(mask, line, value, self / width * width + (lane & (width - 1)));
}

template <class T>
T emulated_shuffle_up(int line, unsigned mask, T value, unsigned distance, int width = 32) {
    const int self = emulation::own_lane();
    return emulation::shuffle(mask, line, value, emulation::in_group(self, self - int(distance), width));
}

template <class T>
T emulated_shuffle_down(int line, unsigned mask, T value, unsigned distance, int width = 32) {
    const int self = emulation::own_lane();
    return emulation::shuffle(mask, line, value, emulation::in_group(self, self + int(distance), width));
}

template <class T>
T emulated_shuffle_xor(int line, unsigned mask, T value, int distance, int width = 32) {
    const int self = emulation::own_lane();
    return emulation::shuffle(mask, line, value, emulation::in_group(self, self ^ distance, width));
}

#define __shfl_sync(...) emulated_shuffle(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) emulated_shuffle_up(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) emulated_shuffle_down(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) emulated_shuffle_xor(__LINE__, __VA_ARGS__)

#define __ballot_sync(mask, predicate) emulation::ballot(mask, __LINE__, (predicate) != 0)
#define __any_sync(mask, predicate) int(emulation::ballot(mask, __LINE__, (predicate) != 0) != 0)
#define __all_sync(mask, predicate) int(emulation::ballot(mask, __LINE__, (predicate) != 0) == (mask))
#define __activemask() emulated_activemask_is_undefined_behaviour

#define __reduce_add_sync(mask, value) \
    emulation::reduce(mask, __LINE__, value, [](auto a, auto b) { return a + b; })
#define __reduce_min_sync(mask, value) \
    emulation::reduce(mask, __LINE__, value, [](auto a, auto b) { return a < b ? a : b; })
#define __reduce_max_sync(mask, value) \
    emulation::reduce(mask, __LINE__, value, [](auto a, auto b) { return a > b ? a : b; })

inline void __threadfence() {}
inline void __threadfence_block() {}

// -----------------------------------------------------------------------------------------------------------
// CUDA's functions: atomics, which are ordinary here

template <class T>
using Same = typename std::common_type<T>::type;  // takes no part in finding out T

#define EMULATED_ATOMIC(name, expression)                   \
    template <class T>                                      \
    T name(T* address, Same<T> value) {                     \
        const T old = *address;                             \
        *address = expression;                              \
        return old;                                         \
    }                                                       \
    template <class T>                                      \
    T name##_block(T* address, Same<T> value) { return name(address, value); }

EMULATED_ATOMIC(atomicAdd, old + value)
EMULATED_ATOMIC(atomicSub, old - value)
EMULATED_ATOMIC(atomicExch, value)
EMULATED_ATOMIC(atomicMin, old < value ? old : value)
EMULATED_ATOMIC(atomicMax, old > value ? old : value)
EMULATED_ATOMIC(atomicAnd, old & value)
EMULATED_ATOMIC(atomicOr, old | value)
EMULATED_ATOMIC(atomicXor, old ^ value)
#undef EMULATED_ATOMIC

template <class T>
T atomicCAS(T* address, Same<T> compare, Same<T> value) {
    const T old = *address;
    if (old == compare) *address = value;
    return old;
}

// -----------------------------------------------------------------------------------------------------------
// CUDA's functions: mathematics and bits. exp, log, tanh, erf and the like come from math.h, for both types.

template <class A, class B>
std::common_type_t<A, B> max(A a, B b) { return a > b ? a : b; }
template <class A, class B>
std::common_type_t<A, B> min(A a, B b) { return a < b ? a : b; }

inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __dadd_rn(double x, double y) { return x + y; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }

template <class To, class From>
To emulated_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "bits are kept");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

inline int __float_as_int(float x) { return emulated_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return emulated_bits<unsigned>(x); }
inline float __int_as_float(int x) { return emulated_bits<float>(x); }
inline float __uint_as_float(unsigned x) { return emulated_bits<float>(x); }
inline long long __double_as_longlong(double x) { return emulated_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emulated_bits<double>(x); }

inline unsigned __umulhi(unsigned x, unsigned y) { return uint64_t(x) * y >> 32; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(x); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1) << (31 - bit);
    return reversed;
}

template <class T>
T __ldg(const T* address) { return *address; }
template <class T>
T __ldcs(const T* address) { return *address; }
template <class T>
void __stcs(T* address, Same<T> value) { *address = value; }

}  // namespace
