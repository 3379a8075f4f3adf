//! Single values of the node, such as the hash of the operator key.
