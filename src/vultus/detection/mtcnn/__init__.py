"""MTCNN: three networks in a cascade, with the published weights."""
