"""A drill of the whole: orders are paid through rails that fail, and then two sets of books are laid side by side.

Everything is real but time, people and their money: the database, the posting engine, the views, the payment process
and the simulator with its own books. Who pays how, what goes wrong and when follow from a seed.
"""
