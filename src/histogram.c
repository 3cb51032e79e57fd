/*-------------------------------------------------------------------------
 *
 * histogram.c
 *	  Lengths of time in buckets on a logarithmic scale.
 *
 * Each power of two of nanoseconds has eight buckets, each 2^(1/8) times as
 * wide as the one before.  A quantile is the rank's bucket, given as its
 * geometric middle, so that it is off by 2^(1/16), or 4.5 per cent, at most.
 * That holds from 256 ns up to 73 minutes; what is shorter or longer has a
 * bucket at either end.
 *
 * Pure: counts are the caller's, wherever they lie.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "port/pg_bitutils.h"

#include "booking.h"

#define BUCKETS_PER_OCTAVE 8

/* 2^31 * 2^(i/8), rounded up: where bucket i of an octave begins */
static const uint32 edges[BUCKETS_PER_OCTAVE] = {
	0x80000000, 0x8b95c1e4, 0x9837f052, 0xa5fed6aa,
	0xb504f334, 0xc5672a12, 0xd744fccb, 0xeac0c6e8
};

/*
 * The bucket of a length of time.
 */
int
histogram_bucket(uint64 ns)
{
	int			exponent;
	uint32		mantissa;
	int			step = 0;

	if (ns < UINT64CONST(1) << HISTOGRAM_FIRST_EXPONENT)
		return 0;
	exponent = pg_leftmost_one_pos64(ns);
	if (exponent >= HISTOGRAM_LAST_EXPONENT)
		return HISTOGRAM_BUCKETS - 1;
	mantissa = (uint32) ((ns << (63 - exponent)) >> 32);
	for (int half = BUCKETS_PER_OCTAVE / 2; half > 0; half /= 2)
	{
		if (mantissa >= edges[step + half])
			step += half;
	}
	return 1 + (exponent - HISTOGRAM_FIRST_EXPONENT) * BUCKETS_PER_OCTAVE +
		step;
}

/*
 * The middle of a bucket, in nanoseconds.
 */
static double
bucket_middle(int bucket)
{
	if (bucket == HISTOGRAM_BUCKETS - 1)
		return ldexp(1.0, HISTOGRAM_LAST_EXPONENT);
	return exp2(HISTOGRAM_FIRST_EXPONENT +
				(bucket - 0.5) / BUCKETS_PER_OCTAVE);
}

/*
 * The quantile (0 to 1) of what the buckets count, in nanoseconds: the
 * smallest length that so large a part does not exceed.  Nothing counted: 0.
 */
double
histogram_quantile(const uint64 *counts, double quantile)
{
	uint64		total = 0;
	uint64		passed = 0;
	uint64		rank;

	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += counts[i];
	if (total == 0)
		return 0;
	rank = (uint64) ceil(quantile * (double) total);
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
	{
		passed += counts[i];
		if (passed >= rank && passed > 0)
			return bucket_middle(i);
	}
	return bucket_middle(HISTOGRAM_BUCKETS - 1);
}
