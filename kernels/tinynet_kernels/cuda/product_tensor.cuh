// Products of tiles on tensor cores: a warp multiplies small matrices, 16 × STEP by STEP × 8, with one
// instruction, mma.sync. Their elements are spread over the registers of the warp's 32 lanes in an order that
// the instruction prescribes (NVIDIA, Parallel Thread Execution ISA, "Matrix Fragments for mma.m16n8k8" and
// "mma.m16n8k16"). With four lanes to a group, g the number of the lane's group and t its place in it:
//
//     A[16, STEP]: register i holds row g + 8 * (i % 2), from place k = PER * t + STEP / 2 * (i / 2) on
//     B[STEP, 8]:  register i holds column g,            from place k = PER * t + STEP / 2 * i on
//     C[16, 8]:    register i holds row g + 8 * (i / 2), column 2 * t + i % 2
//
// where PER is how many elements share a register of 32 bits, and STEP = 8 * PER.
//
// What the elements are is said by a struct of `Factors`: float16 as it is; float32 rounded to TF32, which
// has 10 bits behind the point; or float32 rounded to bfloat16, which has 7 and of which two share a
// register, so that an instruction does twice the work. Sums are float32.

#include "product.cuh"

#if !defined(REAL_FLOAT64)

// Reads four matrices of 8 rows, of 16 bytes each, from shared memory with one instruction, ldmatrix. Lane
// 8 * i + r tells where row r of matrix i starts. Register i is then what the lane gets of matrix i: the 32
// bits at place t of row g; or, of a matrix of 16-bit numbers that IS_TURNED, column g of rows 2 * t and
// 2 * t + 1. All lanes call it.
template <bool IS_TURNED>
__device__ void read_matrices(const Real* row, unsigned (&registers)[4]) {
#ifdef CUDA_EMULATION
    const Pack<Real>* rows[32];
    emulation::gather(0xFFFFFFFFu, __LINE__, aligned_cast<const Pack<Real>>(row), rows);
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    for (int i = 0; i < 4; ++i) {
        const auto of_matrix = reinterpret_cast<const unsigned short* const*>(&rows[8 * i]);
        const unsigned first = IS_TURNED ? of_matrix[2 * t][g] : of_matrix[g][2 * t];
        const unsigned second = IS_TURNED ? of_matrix[2 * t + 1][g] : of_matrix[g][2 * t + 1];
        registers[i] = first | second << 16;
    }
#else
    const unsigned place = __cvta_generic_to_shared(row);
    if constexpr (IS_TURNED) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                     : "r"(place) : "memory");
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                     : "r"(place) : "memory");
    }
#endif
}

// Four registers hold two times 8 lines, of two parts of the sum each. Which of them holds this one of both: in
// the order of A, or of two matrices B, one after the other, if SUM_FIRST.
template <bool SUM_FIRST>
__device__ constexpr int register_of(int lines, int part) {
    return SUM_FIRST ? 2 * lines + part : lines + 2 * part;
}

// Reads 16 lines and 32 bytes of the sum, from `line` and k on, as they are in memory. The register of `lines`
// and `part` holds the 32 bits at place t of the 16 bytes of line g + 8 * lines that belong to the part.
template <bool SUM_FIRST, class Piece>
__device__ void read_words(const Piece& piece, int line, int k, unsigned (&registers)[4]) {
    const int lane = threadIdx.x % 32;
    const auto lines_before = [=](int i) { return 8 * (SUM_FIRST ? i / 2 : i % 2); };
    const auto places_before = [=](int i) { return PACK_SIZE * (SUM_FIRST ? i % 2 : i / 2); };
    if constexpr (Piece::ALONG_SUM) {
        const Real* row = &piece.rows[line + lines_before(lane / 8) + lane % 8][k + places_before(lane / 8)];
        read_matrices<false>(row, registers);
    } else if constexpr (sizeof(Real) == 2) {
        const Real* row = &piece.rows[k + places_before(lane / 8) + lane % 8][line + lines_before(lane / 8)];
        read_matrices<true>(row, registers);
    } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int own_k = k + places_before(i) + lane % 4, own_line = line + lines_before(i) + lane / 4;
            registers[i] = __float_as_uint(piece.rows[own_k][own_line]);
        }
    }
}

#ifdef CUDA_EMULATION
// sums += A B, for fragments spread over a warp as above. All lanes call it.
template <class Factors>
void multiply_fragments(float (&sums)[4], const unsigned (&a)[4], const unsigned* b) {
    unsigned long long low[32], high[32], both[32];
    emulation::gather(0xFFFFFFFFu, __LINE__, a[0] | static_cast<unsigned long long>(a[1]) << 32, low);
    emulation::gather(0xFFFFFFFFu, __LINE__, a[2] | static_cast<unsigned long long>(a[3]) << 32, high);
    emulation::gather(0xFFFFFFFFu, __LINE__, b[0] | static_cast<unsigned long long>(b[1]) << 32, both);
    const auto value_of = [](unsigned long long registers, int i, int element) {
        return Factors::value_of(static_cast<unsigned>(registers >> 32 * i), element);
    };
    const int lane = threadIdx.x % 32;
    for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < Factors::STEP; ++k) {
            const int half = k / (Factors::STEP / 2), element = k % Factors::PER;
            const int place = k % (Factors::STEP / 2) / Factors::PER;
            const float of_a = value_of((half ? high : low)[row % 8 * 4 + place], row / 8, element);
            const float of_b = value_of(both[column * 4 + place], half, element);
            sums[i] += of_a * of_b;
        }
    }
}
#define MULTIPLY_FRAGMENTS(FACTORS, INSTRUCTION) multiply_fragments<FACTORS>(sums, a, b)
#else
#define MULTIPLY_FRAGMENTS(FACTORS, INSTRUCTION)                                                \
    asm volatile(INSTRUCTION " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])                   \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#endif

// Factors know how to read the registers of 16 lines and STEP places of the sum, from `line` and k on, and how
// to add the product of such fragments to the sums. All lanes call both.

#if defined(REAL_FLOAT16)

struct HalfFactors {
    static constexpr int PER = 2, STEP = 16;

    template <bool SUM_FIRST, class Piece>
    static __device__ void read(const Piece& piece, int line, int k, unsigned (&registers)[4]) {
        read_words<SUM_FIRST>(piece, line, k, registers);
    }

    static __device__ void multiply(float (&sums)[4], const unsigned (&a)[4], const unsigned* b) {
        MULTIPLY_FRAGMENTS(HalfFactors, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
    }

#ifdef CUDA_EMULATION
    static float value_of(unsigned bits, int element) {
        return emulation::half_value(bits >> 16 * element & 0xFFFF);
    }
#endif
};

#else

struct Tf32Factors {
    static constexpr int PER = 1, STEP = 8;

    template <bool SUM_FIRST, class Piece>
    static __device__ void read(const Piece& piece, int line, int k, unsigned (&registers)[4]) {
        read_words<SUM_FIRST>(piece, line, k, registers);
#pragma unroll
        for (int i = 0; i < 4; ++i) registers[i] = rounded(registers[i]);
    }

    // Rounds to 10 bits behind the point; of two that are equally near, to the larger one in size.
    static __device__ unsigned rounded(unsigned bits) {
#ifdef CUDA_EMULATION
        return (bits & 0x7F800000u) == 0x7F800000u ? bits : (bits + 0x1000u) & 0xFFFFE000u;
#else
        unsigned result;
        asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(__uint_as_float(bits)));
        return result;
#endif
    }

    static __device__ void multiply(float (&sums)[4], const unsigned (&a)[4], const unsigned* b) {
        MULTIPLY_FRAGMENTS(Tf32Factors, "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32");
    }

#ifdef CUDA_EMULATION
    static float value_of(unsigned bits, int) { return __uint_as_float(bits); }
#endif
};

struct BfloatFactors {
    static constexpr int PER = 2, STEP = 16;

    // In which order the places of a sum are added up is all the same, as long as it is one order for A and B.
    // So place t of each 16 bytes of the sum, which a lane reads anyway, makes a pair with place t of the next
    // 16 bytes, instead of with its neighbour.
    template <bool SUM_FIRST, class Piece>
    static __device__ void read(const Piece& piece, int line, int k, unsigned (&registers)[4]) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            unsigned words[4];
            read_words<SUM_FIRST>(piece, line, k + STEP / 2 * half, words);
#pragma unroll
            for (int lines = 0; lines < 2; ++lines) {
                const unsigned first = words[register_of<SUM_FIRST>(lines, 0)];
                const unsigned second = words[register_of<SUM_FIRST>(lines, 1)];
                registers[register_of<SUM_FIRST>(lines, half)] = rounded(first, second);
            }
        }
    }

    // Rounds two numbers to 7 bits behind the point, of two that are equally near to the even one. The largest
    // numbers become infinity.
    static __device__ unsigned rounded(unsigned first, unsigned second) {
#ifdef CUDA_EMULATION
        const unsigned high = emulation::bfloat_bits(__uint_as_float(second));
        return high << 16 | emulation::bfloat_bits(__uint_as_float(first));
#else
        unsigned result;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;"
            : "=r"(result) : "f"(__uint_as_float(second)), "f"(__uint_as_float(first)));
        return result;
#endif
    }

    static __device__ void multiply(float (&sums)[4], const unsigned (&a)[4], const unsigned* b) {
        MULTIPLY_FRAGMENTS(BfloatFactors, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");
    }

#ifdef CUDA_EMULATION
    static float value_of(unsigned bits, int element) {
        return emulation::bfloat_value(bits >> 16 * element & 0xFFFF);
    }
#endif
};

#endif

// The engine, see `multiply_tile`. Each warp computes WARP_ROWS × WARP_COLUMNS of the tile.
template <class Factors, int ROWS_, int COLUMNS_, int WARP_ROWS, int WARP_COLUMNS>
struct TensorEngine {
    static constexpr int STEP = Factors::STEP;
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_;
    static constexpr int ACROSS = COLUMNS / WARP_COLUMNS;  // warps
    static constexpr int THREADS = ROWS / WARP_ROWS * ACROSS * 32;
    static constexpr int BLOCKS = 512 / THREADS;  // on a multiprocessor, with 128 registers per thread
    static constexpr int DOWN = WARP_ROWS / 16, RIGHT = WARP_COLUMNS / 8;  // small matrices of a warp

    static_assert(WARP_ROWS % 16 == 0 && WARP_COLUMNS % 16 == 0, "parts don't fit the instructions");

    float sums[DOWN][RIGHT][4] = {};

    static __device__ int first_row() { return threadIdx.x / 32 / ACROSS * WARP_ROWS; }
    static __device__ int first_column() { return threadIdx.x / 32 % ACROSS * WARP_COLUMNS; }
    static __device__ int group() { return threadIdx.x % 32 / 4; }
    static __device__ int place() { return threadIdx.x % 4; }

    template <class PieceOfA, class PieceOfB>
    __device__ void multiply(const PieceOfA& a, const PieceOfB& b) {
#pragma unroll
        for (int k = 0; k < PieceOfA::DEPTH; k += STEP) {
            unsigned of_a[DOWN][4], of_b[RIGHT / 2][4];  // of b, 16 columns together
#pragma unroll
            for (int row = 0; row < DOWN; ++row) {
                Factors::template read<false>(a, first_row() + 16 * row, k, of_a[row]);
            }
#pragma unroll
            for (int column = 0; column < RIGHT / 2; ++column) {
                Factors::template read<true>(b, first_column() + 16 * column, k, of_b[column]);
            }
#pragma unroll
            for (int row = 0; row < DOWN; ++row) {
#pragma unroll
                for (int column = 0; column < RIGHT; ++column) {
                    Factors::multiply(sums[row][column], of_a[row], &of_b[column / 2][column % 2 * 2]);
                }
            }
        }
    }

    template <class PieceOfA, class PieceOfB, class Finish>
    __device__ void finish(Index tile_row, Index tile_column, const Finish& finish) const {
#pragma unroll
        for (int row = 0; row < DOWN; ++row) {
#pragma unroll
            for (int column = 0; column < RIGHT; ++column) {
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const float some[2] = {sums[row][column][2 * i], sums[row][column][2 * i + 1]};
                    finish(
                        tile_row + first_row() + 16 * row + group() + 8 * i,
                        tile_column + first_column() + 8 * column + 2 * place(), some
                    );
                }
            }
        }
    }
};

#if defined(REAL_FLOAT16)
template <int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS>
using TensorCores = TensorEngine<HalfFactors, ROWS, COLUMNS, WARP_ROWS, WARP_COLUMNS>;
#else
template <int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS>
using TensorCores = TensorEngine<Tf32Factors, ROWS, COLUMNS, WARP_ROWS, WARP_COLUMNS>;

template <int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS>
using BfloatTensorCores = TensorEngine<BfloatFactors, ROWS, COLUMNS, WARP_ROWS, WARP_COLUMNS>;
#endif

#endif
