// Division by a number that stays the same, for those who divide by it again and again.
//
// A GPU has no instruction for dividing integers. The quotient by a fixed divisor is the upper half of a
// product with a factor that is computed once.
//
// Source: Granlund and Montgomery, "Division by invariant integers using multiplication" (1994), figure 4.1.

#include "common.cuh"

// Divides numbers below 2^31; the divisor is from 1 to 2^31.
struct Divisor {
    unsigned divisor, factor, shift;

    __device__ explicit Divisor(unsigned divisor) : divisor(divisor) {
        shift = divisor > 1 ? 32 - __clz(static_cast<int>(divisor - 1)) : 0;
        const unsigned long long rest = (1ull << shift) - divisor;
        factor = static_cast<unsigned>((rest << 32) / divisor + 1);
    }

    __device__ unsigned divide(unsigned number) const { return (__umulhi(factor, number) + number) >> shift; }
};

// The same by ordinary division, for who divides a few times only.
struct OrdinaryDivisor {
    unsigned divisor;

    __device__ explicit OrdinaryDivisor(unsigned divisor) : divisor(divisor) {}

    __device__ unsigned divide(unsigned number) const { return number / divisor; }
};

// What is left of the number; the number itself becomes the quotient.
template <class AnyDivisor>
__device__ inline int split_off(unsigned& number, const AnyDivisor& by) {
    const unsigned quotient = by.divide(number), rest = number - quotient * by.divisor;
    number = quotient;
    return static_cast<int>(rest);
}
