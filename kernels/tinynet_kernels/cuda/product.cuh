// Products of matrices, tile by tile: C[m, n] = sum over k of A[m, k] * B[k, n].
//
// A block of threads computes one tile of C. It goes through the sum over k in steps: it copies a piece of A
// and a piece of B, as wide as the tile and DEPTH deep, to shared memory, and multiplies them there. So each
// element of the main memory is read once for a whole row or column of the tile:
//
//                ┌────────┐ DEPTH
//                │ tile_b │         There are two buffers for each piece: while the threads multiply what is
//                └────────┘         in one, the next piece is on its way to the other.
//      ┌──────┐  ┌────────┐
//      │tile_a│  │  tile  │ ROWS
//      └──────┘  └────────┘
//        DEPTH     COLUMNS
//
// What A and B are is left to loaders, and what is done with the sums to a functor: a matrix in memory is one
// possibility, `Matrix`; a convolution has a loader that finds the pixels which an output position sees. How
// the pieces are multiplied is left to an engine: `Plain` in product_plain.cuh, `TensorCores` in
// product_tensor.cuh.
//
// A loader says, of a matrix whose lines are the rows of A or the columns of B:
//
//     static constexpr bool ALONG_SUM;       // neighbours in memory: along k, or else from line to line
//     Line line(Index i) const;              // what has to be known of line i, asked for once per product
//     Place place(Index k) const;            // and of place k of the sum, asked for once per step
//     Pack<Real> load(Line, Place) const;    // PACK_SIZE neighbours, the first of which is meant by the two
//
// Lines and places are any numbers from 0 on; elements outside the matrix are 0. Shared memory keeps the
// order of the main memory, so that packs are written as a whole.

#include "packs.cuh"

// The depth of a step: 64 bytes.
constexpr int STEP_DEPTH = 64 / sizeof(Real);

// Neighbours that are read or written together, fewer than a pack.
template <int COUNT>
struct alignas(COUNT * sizeof(Real)) Run {
    Real values[COUNT];
};

// A matrix in memory. Its lines are rows if ALONG, else columns.
template <bool ALONG>
struct Matrix {
    static constexpr bool ALONG_SUM = ALONG;

    const Real* elements;
    Index lines, depth, pitch;  // from one row in memory to the next
    bool is_packed;             // rows start where packs do

    __device__ Matrix(const Real* elements, Index lines, Index depth, Index pitch)
        : elements(elements), lines(lines), depth(depth), pitch(pitch),
          is_packed(starts_a_pack(elements) && pitch % PACK_SIZE == 0) {}

    // Where a row in memory starts, or -1 if there is none; and the place in it.
    __device__ Index line(Index i) const { return !ALONG ? i : i < lines ? i * pitch : -1; }
    __device__ Index place(Index k) const { return ALONG ? k : k < depth ? k * pitch : -1; }

    __device__ Pack<Real> load(Index line, Index place) const {
        const Index start = ALONG ? line : place, first = ALONG ? place : line;
        const Index left = (ALONG ? depth : lines) - first;
        return load_some(elements + start + first, start < 0 ? 0 : left, is_packed);
    }

    // The first `count` of the elements that follow, if that are not more than a pack; zeros for the others.
    static __device__ Pack<Real> load_some(const Real* elements, Index count, bool is_packed) {
        if (is_packed && count >= PACK_SIZE) return load_pack(elements, 0);
        Pack<Real> result{};
        for (int i = 0; i < PACK_SIZE; ++i) {
            if (i < count) result.values[i] = elements[i];
        }
        return result;
    }
};

// A piece of A or B in shared memory. The rows are padded so that the threads of a warp, which read from
// several rows at a time, find their elements in different banks of the memory.
template <bool ALONG, int LINES_, int DEPTH_>
struct alignas(16) Piece {
    static constexpr bool ALONG_SUM = ALONG;
    static constexpr int LINES = LINES_, DEPTH = DEPTH_;
    static constexpr int ROWS = ALONG ? LINES : DEPTH, WIDTH = ALONG ? DEPTH : LINES;
    static constexpr int PADDING = ALONG || sizeof(Real) == 8 ? PACK_SIZE : 8;

    Real rows[ROWS][WIDTH + PADDING];

    __device__ Real& at(int line, int k) { return ALONG ? rows[line][k] : rows[k][line]; }
};

// For asking what a function of it gives.
template <class T>
__device__ T& some();

// Brings pieces of one of the matrices to shared memory: first, with `fetch`, to the thread's own registers,
// where it may take its time, then with `put` on to shared memory. Each thread is responsible for the same
// packs of every piece.
template <class Loader, class Piece, int THREADS>
class Feed {
    static constexpr bool ALONG = Loader::ALONG_SUM;
    static constexpr int PACKS = Piece::WIDTH / PACK_SIZE;  // of a row
    static constexpr int ROWS_AT_ONCE = THREADS / PACKS;
    static constexpr int LOADS = ceil_divide(Piece::ROWS, ROWS_AT_ONCE);
    static_assert(Piece::WIDTH % PACK_SIZE == 0 && THREADS % PACKS == 0, "packs don't fit the threads");

    using Line = decltype(some<const Loader>().line(0));

    const Loader& loader;
    Line lines[ALONG ? LOADS : 1];
    Pack<Real> packs[LOADS];

    static __device__ int column() { return threadIdx.x % PACKS * PACK_SIZE; }
    static __device__ int row(int load) { return threadIdx.x / PACKS + load * ROWS_AT_ONCE; }
    static __device__ bool is_busy(int load) {
        return Piece::ROWS % ROWS_AT_ONCE == 0 || row(load) < Piece::ROWS;
    }

public:
    __device__ Feed(const Loader& loader, Index first_line) : loader(loader) {
        for (int i = 0; i < (ALONG ? LOADS : 1); ++i) {
            lines[i] = loader.line(first_line + (ALONG ? row(i) : column()));
        }
    }

    __device__ void fetch(Index k) {
        if constexpr (ALONG) {
            const auto place = loader.place(k + column());
#pragma unroll
            for (int i = 0; i < LOADS; ++i) {
                if (is_busy(i)) packs[i] = loader.load(lines[i], place);
            }
        } else {
#pragma unroll
            for (int i = 0; i < LOADS; ++i) {
                if (is_busy(i)) packs[i] = loader.load(lines[0], loader.place(k + row(i)));
            }
        }
    }

    __device__ void put(Piece& piece) const {
#pragma unroll
        for (int i = 0; i < LOADS; ++i) {
            if (is_busy(i)) store_pack(&piece.rows[row(i)][column()], 0, packs[i]);
        }
    }
};

// An engine has the sizes ROWS and COLUMNS of the tile, the number of THREADS, and
//
//     multiply(piece_of_a, piece_of_b)                                     // adds to the sums that it keeps
//     finish<PieceOfA, PieceOfB>(first_row, first_column, finish) const    // gives all sums away
//
// Computes one tile, of which `first_row` and `first_column` are the first, with the part of the sum from
// `k` to `end`, a multiple of STEP_DEPTH or the end of the sum. All threads of a one-dimensional block of
// Engine::THREADS call it. The sums go to finish(row, column, sums), an array of neighbours in one row;
// some may lie outside the matrix.
//
// Not to be called in a loop over several tiles: the compiler then keeps what only the end of a tile needs in
// registers all the time.
template <class Engine, class A, class B, class Finish>
__device__ void multiply_tile(
    const A& a, const B& b, Index first_row, Index first_column, Index k, Index end, const Finish& finish
) {
    using PieceOfA = Piece<A::ALONG_SUM, Engine::ROWS, STEP_DEPTH>;
    using PieceOfB = Piece<B::ALONG_SUM, Engine::COLUMNS, STEP_DEPTH>;
    __shared__ PieceOfA tile_a[2];
    __shared__ PieceOfB tile_b[2];
    Feed<A, PieceOfA, Engine::THREADS> feed_a(a, first_row);
    Feed<B, PieceOfB, Engine::THREADS> feed_b(b, first_column);
    Engine engine;

    int buffer = 0;
    if (k < end) {
        feed_a.fetch(k), feed_b.fetch(k);
        feed_a.put(tile_a[0]), feed_b.put(tile_b[0]);
    }
    __syncthreads();
    for (; k < end; k += STEP_DEPTH, buffer = 1 - buffer) {
        const bool is_last = k + STEP_DEPTH >= end;
        if (!is_last) feed_a.fetch(k + STEP_DEPTH), feed_b.fetch(k + STEP_DEPTH);
        engine.multiply(tile_a[buffer], tile_b[buffer]);
        if (!is_last) feed_a.put(tile_a[1 - buffer]), feed_b.put(tile_b[1 - buffer]);
        __syncthreads();  // the next piece is there, and nobody needs this one any more
    }
    engine.template finish<PieceOfA, PieceOfB>(first_row, first_column, finish);
}

// Finishes sums by adding a bias, cutting off at 0, and storing.
struct Store {
    Real* y;
    Index rows, columns;
    Index row_step, column_step;  // from one row and one column in y to the next
    const Real* bias;             // or nullptr
    Index bias_row_step, bias_column_step;
    bool is_relu, is_packed;  // rows start where packs do

    // y (rows, columns) with a bias for each column; if `is_turned`, y (columns, rows), of which the product
    // is the transpose, with a bias for each row.
    __device__ Store(Real* y, Index rows, Index columns, bool is_turned, const Real* bias, bool is_relu)
        : y(y), rows(rows), columns(columns), row_step(is_turned ? 1 : columns),
          column_step(is_turned ? rows : 1), bias(bias), bias_row_step(is_turned),
          bias_column_step(!is_turned), is_relu(is_relu),
          is_packed(!is_turned && columns % PACK_SIZE == 0 && starts_a_pack(y)) {}

    template <int COUNT>
    __device__ void operator()(Index row, Index column, const Accumulator (&sums)[COUNT]) const {
        if (row >= rows || column >= columns) return;
        Real* target = y + row * row_step + column * column_step;
        const Real* added = bias + row * bias_row_step + column * bias_column_step;
        Run<COUNT> result;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            Accumulator sum = sums[i];
            if (bias != nullptr && column + i < columns) sum += Accumulator(added[i * bias_column_step]);
            result.values[i] = is_relu && sum < 0 ? Accumulator(0) : sum;
        }
        if (COUNT > 1 && is_packed) {
            *aligned_cast<Run<COUNT>>(target) = result;
        } else {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) {
                if (column + i < columns) target[i * column_step] = result.values[i];
            }
        }
    }
};

// Keeps the sums of one part of a long sum. Another launch adds up the parts, in their order.
struct StorePart {
    Accumulator* part;  // (rows, columns)
    Index rows, columns;

    template <int COUNT>
    __device__ void operator()(Index row, Index column, const Accumulator (&sums)[COUNT]) const {
        if (row >= rows) return;
        Accumulator* target = part + row * columns + column;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            if (column + i < columns) target[i] = sums[i];
        }
    }
};
