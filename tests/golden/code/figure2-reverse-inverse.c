#include <math.h>

/* Yours to define; f_1 is the partial of f by operand 1. */
extern double f(double, double);
extern double f_1(double, double);
extern double f_2(double, double);
extern double g(double, double);
extern double g_1(double, double);
extern double g_2(double, double);

/* reverse inverse: y = f(x), result = the inverse of the transpose of J times v; x[3], v[3], y[3], result[3].
   Returns 0. */
int reverse_inverse(
    const double *restrict x, const double *restrict v, double *restrict y,
    double *restrict result)
{
    double r1 = x[0];
    double r2 = x[1];
    double r3 = x[2];
    double v1 = v[0];
    double v2 = v[1];
    double v3 = v[2];

    // z1 = f(x1, x2)
    double a = f_1(r1, r2);  // df/dx1
    double b = f_2(r1, r2);  // df/dx2
    v1 /= a;
    v2 -= b * v1;
    r1 = f(r1, r2);

    // z2 = g(x3, z1)
    double c = g_1(r3, r1);  // dg/dx3
    double d = g_2(r3, r1);  // dg/dz1
    v3 /= c;
    v1 -= d * v3;
    r3 = g(r3, r1);

    y[0] = r1;
    y[1] = r2;
    y[2] = r3;
    result[0] = v1;
    result[1] = v2;
    result[2] = v3;
    return 0;
}
