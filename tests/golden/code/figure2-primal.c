#include <math.h>

/* Yours to define; f_1 is the partial of f by operand 1. */
extern double f(double, double);
extern double g(double, double);

/* primal: y = f(x); x[3], y[3].
   Returns 0. */
int primal(const double *restrict x, double *restrict y)
{
    double r1 = x[0];
    double r2 = x[1];
    double r3 = x[2];

    // z1 = f(x1, x2)
    r1 = f(r1, r2);

    // z2 = g(x3, z1)
    r3 = g(r3, r1);

    y[0] = r1;
    y[1] = r2;
    y[2] = r3;
    return 0;
}
