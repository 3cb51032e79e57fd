SELECT * FROM bench.trivial_srf(6);
