/** ml-matrix: dense float64 linear algebra in plain JavaScript (LU, symmetric eigenvectors). */
export { EigenvalueDecomposition, LuDecomposition, Matrix } from "npm:ml-matrix@6.15.1";
