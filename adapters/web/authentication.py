"""Who has the right password: counted, slowed and renewed in one place."""

from adapters.web.logins import Login
from adapters.web.passwords import TooBusy
from adapters.web.site import Site
from adapters.web.tries import TooManyTries


class Wrong:
    """E-mail address and password do not match; whether the address is known is not said."""


async def authenticate(
    site: Site, email: str, password: str, address: str
) -> Login | Wrong | TooManyTries:
    """The log-in with this e-mail and password. `address` is where the try comes from.

    Takes as long for an unknown e-mail as for a wrong password. Raises `TooBusy`.
    """
    allowed = await site.tries.log_in(email, address)
    if isinstance(allowed, TooManyTries):
        return allowed
    login = await site.logins.find(email)
    try:
        right = await site.passwords.verify(login.password_hash if login else None, password)
    except TooBusy:
        await site.tries.take_back(allowed)
        raise
    if login is None or not right:
        return Wrong()
    await site.tries.succeeded(allowed)
    await _rehash_if_old(site, login, password)
    return login


async def _rehash_if_old(site: Site, login: Login, password: str) -> None:
    if site.passwords.needs_rehash(login.password_hash):
        try:
            renewed = await site.passwords.hash(password)
        except TooBusy:
            return  # the next log-in will do
        await site.logins.replace_hash(login.login_id, old=login.password_hash, new=renewed)
