/* Open MPI's all-reduce: seconds of each sum on its slowest rank, as a list in JSON.
 * bench_collective_mpi BYTES TIMES, under mpirun. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define WARM_UP 2

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (argc != 3)
        MPI_Abort(MPI_COMM_WORLD, 2);
    int length = atoi(argv[1]) / (int)sizeof(float);
    int times = atoi(argv[2]);
    float *data = malloc(length * sizeof(float));
    double *own = malloc(times * sizeof(double));
    double *slowest = malloc(times * sizeof(double));
    if (!data || !own || !slowest)
        MPI_Abort(MPI_COMM_WORLD, 1);
    for (int time = 0; time < WARM_UP + times; time++) {
        for (int i = 0; i < length; i++)
            data[i] = 1.0f;
        MPI_Barrier(MPI_COMM_WORLD);
        double start = MPI_Wtime();
        MPI_Allreduce(MPI_IN_PLACE, data, length, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        if (time >= WARM_UP)
            own[time - WARM_UP] = MPI_Wtime() - start;
    }
    MPI_Reduce(own, slowest, times, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    for (int time = 0; rank == 0 && time < times; time++)
        printf("%s%.9f%s", time ? ", " : "[", slowest[time], time + 1 < times ? "" : "]\n");
    MPI_Finalize();
    return 0;
}
